"""The typed schema of the configuration: every key that is no option of a group, with its type, range and default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Lt

from ganexp.types.bounds import Positive, PositiveInt

Seed = Annotated[int, Ge(0), Lt(2**63)]


@dataclass
class TrainerConfig:
    """How training runs.

    Attributes:
        batch_size: real images in a minibatch.
        epochs: passes over the training images; one epoch is ceil(N / batch_size) generator steps.
        d_steps: discriminator steps for each generator step (k in Goodfellow 2014, Algorithm 1).
        real_batch: the d_steps steps see one real batch ("reuse") or a fresh one each ("fresh", Algorithm 1).
        fake_batch: the generator's step sees new generated images ("fresh", Algorithm 1), or those of the last
            discriminator step ("reuse"), which saves a generator pass.
        ema_kimg: half-life of the generator's weight average in thousands of images_seen; null: no average.
        ema_rampup: until then the half-life is this share of images_seen (0.05 is usual); null: the same all along.
        precision: arithmetic of the networks' matrix products.
        compile: backend of torch.compile for both networks (cudagraphs: their kernels are launched as CUDA graphs);
            null: none. It has no second derivatives, and so no gradient penalties.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1" ...
        threads: torch threads; null: all cores in a single run, one in a parallel sweep.
        max_steps: stop after this many generator steps, then finish as usual.
        max_seconds: stop after this many seconds of training, then finish as usual (not bit-exact).
        keep_checkpoints: how many of the newest full checkpoints are kept.
        milestones: epochs whose generator is kept.
        samples_every_epochs: cadence of the sample grids; null: none but the last.
        sample_images: images in a sample grid.
    """

    batch_size: PositiveInt = 32
    epochs: PositiveInt = 50
    d_steps: Annotated[int, Ge(1), Le(1000)] = 5
    real_batch: Literal["reuse", "fresh"] = "reuse"
    fake_batch: Literal["fresh", "reuse"] = "fresh"
    ema_kimg: Positive | None = None
    ema_rampup: Positive | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: Literal["inductor", "cudagraphs", "aot_eager"] | None = None
    device: str = "auto"
    threads: Annotated[int, Ge(1), Le(256)] | None = None
    max_steps: PositiveInt | None = None
    max_seconds: Positive | None = None
    keep_checkpoints: PositiveInt = 2
    milestones: list[PositiveInt] = field(default_factory=list)
    samples_every_epochs: PositiveInt | None = 1
    sample_images: Annotated[int, Ge(1), Le(1024)] = 64


@dataclass
class MetricsConfig:
    """What is measured, and when.

    Attributes:
        every_epochs: score every so many epochs; null: at 1, 2, 5, 10, 20, 50, 100, ...
        num_samples: generated images to score, at most; the reference halves bound it too.
        objective: the column that settings are chosen by; null where nothing is measured.
        scores: column -> metric (`_target_` and its parameters).
        pictures: at the end, also draw interpolations, and samples beside their nearest training images.
    """

    every_epochs: PositiveInt | None = None
    num_samples: Annotated[int, Ge(2)] = 10_000
    objective: str | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    pictures: bool = False


@dataclass
class SweepConfig:
    """How a sweep runs (`--multirun`).

    Attributes:
        name: name of the sweep in its directory's name.
        dry_run: list the jobs and what they would cost, run nothing.
        retry: finished badly before: leave as it is ("none"), or run again ("failed").
        zip: groups of keys that are swept in pairs, not crossed.
        report: write report.html and report.md at the end (summary.csv is written always).
        read_off: shorter epochs that a job writes run directories for (set by the sweep).
        run_id: what the sweep planned (set by the sweep); a job that finds itself to be another run does nothing.
        trial: number of the trial that a job is (set by a search); it is told what the job measures, and may prune it.
        own_code: modules of own code and their digests, as planned or confirmed (set by the sweep, and by confirm).
    """

    name: str = "grid"
    dry_run: bool = False
    retry: Literal["none", "failed"] = "none"
    zip: list[list[str]] = field(default_factory=list)
    report: bool = True
    read_off: list[PositiveInt] = field(default_factory=list)
    run_id: str | None = None
    trial: Annotated[int, Ge(0)] | None = None
    own_code: str | None = None


ChangedCode = Literal["refuse", "own_run", "same_run"]
OwnCodeRandom = Literal["refuse", "allow"]


@dataclass
class Config:
    """The whole configuration. The untyped groups are checked against their `_target_`'s own annotations.

    `notes` is the user's: constants to interpolate, remarks; no run's identity has it.

    Attributes:
        changed_code: a run was recorded with other source of own code (`_target_` outside ganexp and torch): refuse it,
            make a run of its own (the source's digest is part of the run's identity), or take it for the same run.
        own_code_random: own code whose numbers cannot be had again: refuse it, or allow it, and say so everywhere.
    """

    dataset: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    penalty: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    trust: list[str] = field(default_factory=list)
    seed: Seed = 0
    notes: dict[str, Any] = field(default_factory=dict)
    changed_code: ChangedCode = "refuse"
    own_code_random: OwnCodeRandom = "refuse"


def register() -> None:
    """Put the schema into Hydra's ConfigStore."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="ganexp_schema", node=Config, provider="ganexp", replace=True)
