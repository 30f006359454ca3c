"""The typed schema of the configuration: every key that is no option of a group, with its type, range and default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Lt

from ganexp.types.bounds import Positive, PositiveInt

Seed = Annotated[int, Ge(0), Lt(2**63)]
ChangedCode = Literal["refuse", "own_run", "same_run"]
OwnCodeRandom = Literal["refuse", "allow"]

INTERNAL = ("sweep.read_off", "sweep.run_id", "sweep.trial", "sweep.own_code")  # set by ganexp for each job of a sweep


@dataclass
class TrainerConfig:
    """How training runs."""

    batch_size: PositiveInt = 32  # real images in a minibatch
    epochs: PositiveInt = 50  # passes over the training images; one is ceil(N / batch_size) generator steps
    d_steps: Annotated[int, Ge(1), Le(1000)] = 5  # discriminator steps for each generator step (k in Goodfellow 2014)
    # The d_steps steps see one real batch (reuse) or a fresh one each (fresh, Algorithm 1 of Goodfellow 2014).
    real_batch: Literal["reuse", "fresh"] = "reuse"
    # The generator's step sees new generated images (fresh, Algorithm 1), or those of the last discriminator step
    # (reuse), which saves a generator pass.
    fake_batch: Literal["fresh", "reuse"] = "fresh"
    # Half-life of the generator's weight average in thousands of images_seen; null: no average.
    ema_kimg: Positive | None = None
    # Until then the half-life is this share of images_seen (0.05 is usual); null: the same all along.
    ema_rampup: Positive | None = None
    # Directory of a finished run whose weights both networks start from: fine-tuning; null: none.
    init_from: str | None = None
    precision: Literal["fp32", "bf16"] = "fp32"  # arithmetic of the networks' matrix products
    # Backend of torch.compile for both networks (cudagraphs: their kernels are launched as CUDA graphs); null: none.
    # It has no second derivatives, and so no gradient penalties.
    compile: Literal["inductor", "cudagraphs", "aot_eager"] | None = None
    device: str = "auto"  # auto (cuda, else a Mac's mps, else cpu), cpu, cuda, cuda:1, mps
    # torch threads; null: one in a sweep, and in a single run as many as are fastest, of the cores that it may use
    # (affinity and container limits count).
    threads: Annotated[int, Ge(1), Le(256)] | None = None
    max_steps: PositiveInt | None = None  # stop after so many generator steps, then finish as usual
    max_seconds: Positive | None = None  # stop after so many seconds of training, then finish as usual (not bit-exact)
    keep_checkpoints: PositiveInt = 2  # how many of the newest full checkpoints are kept
    milestones: list[PositiveInt] = field(default_factory=list)  # epochs whose generator is kept
    samples_every_epochs: PositiveInt | None = 1  # cadence of the sample grids; null: none but the last
    sample_images: Annotated[int, Ge(1), Le(1024)] = 64  # images in a sample grid


@dataclass
class MetricsConfig:
    """What is measured, and when."""

    every_epochs: PositiveInt | None = None  # score every so many epochs; null: at 1, 2, 5, 10, 20, 50, 100, ...
    # Generated images to score, at most; the reference halves bound it too.
    num_samples: Annotated[int, Ge(2)] = 10_000
    objective: str | None = None  # the column that settings are chosen by; null: cfd, or rfd where there are no labels
    scores: dict[str, Any] = field(default_factory=dict)  # column -> metric (`_target_` and its parameters)
    pictures: bool = False  # at the end, draw interpolations, and samples beside their nearest training images


@dataclass
class SweepConfig:
    """How a sweep runs (`--multirun`)."""

    name: str = "grid"  # name of the sweep in its directory's name
    dry_run: bool = False  # list the jobs and what they would cost, run nothing
    retry: Literal["none", "failed"] = "none"  # runs that ended badly before: leave them (none), or run them again
    zip: list[list[str]] = field(default_factory=list)  # groups of keys that are swept in pairs, not crossed
    report: bool = True  # write report.html and report.md at the end (summary.csv is written always)
    skip_refused: bool = False  # leave out the points of a grid that are refused, and make the others
    # Seconds of a command after which no new job starts and running ones save their work; null: no limit.
    max_seconds: Positive | None = None
    stop_on_failure: bool = False  # stop in the same way once a run fails or diverges
    # Which seeds the settings of a grid get: those that are asked for (null), or more and more where they decide, until
    # the verdict stands or the runs are spent (claim).
    until: Literal["claim"] | None = None
    max_runs: PositiveInt | None = None  # runs of `until=claim`, at most; null: those of five seeds of every setting
    # The keys of INTERNAL:
    read_off: list[PositiveInt] = field(default_factory=list)  # shorter epochs that the job writes runs for
    run_id: str | None = None  # the planned run; a job that finds itself to be another run does nothing
    # Number of the trial of a search, which hears what the job measures, and may prune it.
    trial: Annotated[int, Ge(0)] | None = None
    own_code: str | None = None  # modules of own code and their digests, as planned, or as confirmed (by confirm)


@dataclass
class Config:
    """The whole configuration. The untyped groups are checked against their `_target_`'s own annotations."""

    dataset: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    penalty: dict[str, Any] = field(default_factory=dict)
    augment: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    trust: list[str] = field(default_factory=list)  # patterns of `_target_` that may be called beside ganexp's own
    seed: Seed = 0  # of all that is random: weights, batches, latent vectors
    notes: dict[str, Any] = field(default_factory=dict)  # the user's constants and remarks; part of no run's identity
    # A run was recorded with other source of own code (`_target_` outside ganexp and torch): refuse it, make a run of
    # its own (the source's digest is part of the run's identity), or take it for the same run.
    changed_code: ChangedCode = "refuse"
    # Own code whose numbers cannot be had again: refuse it, or allow it, and say so everywhere.
    own_code_random: OwnCodeRandom = "refuse"


def register() -> None:
    """Put the schema into Hydra's ConfigStore."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="ganexp_schema", node=Config, provider="ganexp", replace=True)
