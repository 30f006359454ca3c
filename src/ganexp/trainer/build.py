"""Build the parts of a run from its configuration: device, networks, batches, rules, evaluator."""

from __future__ import annotations

import copy
import functools
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ganexp.config.run_spec import RunSpec
from ganexp.trainer.batches import Batches
from ganexp.trainer.progress import estimate_line
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game, batch_independent, train_step
from ganexp.types.errors import ConfigError, DataError
from ganexp.types.rng import derive, reseed, reseed_others
from ganexp.types.system import WITHOUT_FLOAT64, cores, peak_memory
from ganexp.types.terminal import in_units

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig
    from ganexp.logger import Logger
    from ganexp.metrics import Evaluator
    from ganexp.types import GAN, Dataset

log = logging.getLogger("ganexp")
NVIDIA = Path("/dev/nvidia0")  # of its driver
BF16_SINCE = (8, 0)  # compute capability


@dataclass(frozen=True)
class Prepared:
    """A run that passed every check made before training."""

    spec: RunSpec
    evaluator: Evaluator | None  # None: nothing is measured
    logger: Logger  # where rows go besides metrics.csv
    step_seconds: float | None = None  # of a training step, where own code was rehearsed


def set_up_torch(spec: RunSpec) -> torch.device:
    """Set torch up for a run and give its device.

    Raises:
        DataError: the device does not exist on this machine.
        ConfigError: a GPU without bfloat16 is asked for it.
    """
    torch.set_flush_denormal(True)
    threads = spec.config.trainer.threads or (1 if spec.in_sweep else min(torch.get_num_threads(), cores()))
    torch.set_num_threads(threads)
    chosen = device(spec.config.trainer.device)
    if spec.config.trainer.device == "auto" and chosen.type == "cpu" and (reason := why_no_gpu()):
        log.warning("trainer.device=auto: this machine has a GPU of NVIDIA's, and the CPU is used: %s", reason)
    if spec.config.trainer.precision == "bf16" and chosen.type == "cuda":
        version = torch.cuda.get_device_capability(chosen)
        if version < BF16_SINCE:
            expected, got = (".".join(map(str, each)) for each in (BF16_SINCE, version))
            raise ConfigError(
                f"trainer.precision=bf16: expected a GPU of compute capability {expected} or more, which has bfloat16, "
                f"got {torch.cuda.get_device_name(chosen)} of {got}; trainer.precision=fp32 trains there"
            )
    return chosen


@functools.cache
def why_no_gpu() -> str | None:
    """Why torch cannot use the GPU of NVIDIA's that this machine has; None: it has none, it is hidden, or torch can."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.cuda.is_available() or not NVIDIA.exists() or hidden in ("", "-1"):
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if hidden is not None and not torch.cuda.device_count():
        return f"CUDA_VISIBLE_DEVICES={hidden} hides it"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except Exception as error:
        return str(error).partition("\n")[0][:200]
    return "torch does not say why"


def device(name: str) -> torch.device:
    """The torch device of `trainer.device`.

    Raises:
        DataError: it does not exist on this machine.
    """
    if name == "auto":
        found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        return torch.device(next(kind for kind, there in found.items() if there))
    try:
        chosen = torch.device(name)
        float(torch.zeros(1, device=chosen))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise DataError(f"trainer.device: expected a device of this machine, got {name!r} ({reason})") from None
    return chosen


def reseed_for_own_code(config: RunConfig, where: torch.device, purpose: str, number: int) -> None:
    """Seed the global generators from (seed, purpose, number), before own code is called outside of training.

    ganexp's own parts draw nothing there from global generators.
    """
    if config.has_own_code:
        reseed(where, derive(config.seed, purpose, number), everywhere=True)


def make_evaluator(spec: RunSpec, *, wait: bool = False) -> Evaluator | None:
    """The evaluator of this run's generators; None where nothing is measured.

    `wait`: a classifier that has to be trained first is trained when the first score is due.

    Raises:
        DataError: a metric cannot be computed for this dataset.
    """
    return evaluator_for(spec.config, spec.dataset, wait=wait)


def evaluator_for(config: RunConfig, dataset: Dataset, *, wait: bool = False) -> Evaluator | None:
    """`make_evaluator` for a configuration alone."""
    if not config.scores:
        return None
    from ganexp.metrics import Evaluator, Metric

    where = device(config.trainer.device)
    reseed_for_own_code(config, where, "metrics", 0)
    scores = {name: target.build() for name, target in config.scores.items()}
    for name, metric in scores.items():
        if not isinstance(metric, Metric):
            raise ConfigError(f"metrics.scores.{name}: expected a ganexp.Metric, got {type(metric).__name__}")
    evaluator = Evaluator(
        dataset,
        scores,
        num_samples=config.metrics.num_samples,
        objective=config.metrics.objective,
        device="cpu" if where.type in WITHOUT_FLOAT64 else where,  # there networks of others may not run
        conditional=config.conditional,
    )
    evaluator.check() if wait else evaluator.prepare()
    return evaluator


def build_state(spec: RunSpec) -> TrainState:
    """Fresh networks and optimizers of a run, from its seed."""
    config = spec.config
    if config.has_own_code:
        reseed_others(derive(config.seed, "init"))
    torch.manual_seed(derive(config.seed, "init"))
    gan = config.model.build(spec.dataset.image_shape, num_classes=spec.dataset.num_classes)
    state = TrainState(
        gan,
        config.optim_generator.build,
        config.optim_discriminator.build,
        ema=config.trainer.ema_kimg is not None,
        device=device(config.trainer.device),
        schedules_g=config.schedules_generator,
        schedules_d=config.schedules_discriminator,
        copies_of=with_copies(config, gan),
    )
    if config.trainer.compile is not None:
        for net in (state.generator, state.discriminator):
            net.compile(backend=config.trainer.compile)
    return state


def with_copies(config: RunConfig, gan: GAN) -> tuple[str, ...]:
    """The networks that may compute with bfloat16 copies of their weights (`TrainState`); autocast serves the others.

    A penalty needs the discriminator's weights themselves, and own code may hold on to any.
    """
    if config.trainer.precision != "bf16" or config.trainer.compile is not None or config.has_own_code:
        return ()
    one_pass = batch_independent(gan.discriminator) and config.penalty.build() is None
    return ("generator", "discriminator") if one_pass else ("generator",)


def build_batches(spec: RunSpec) -> Batches:
    """The real minibatches of a run."""
    trainer = spec.config.trainer
    draws = trainer.d_steps if trainer.real_batch == "fresh" else 1
    labels = spec.dataset.train_labels if spec.config.conditional else None
    return Batches(spec.dataset.train, trainer.batch_size, draws, spec.config.seed, device(trainer.device), labels)


def build_game(spec: RunSpec) -> Game:
    """The rules of a run."""
    config = spec.config
    trainer = config.trainer
    bf16 = trainer.precision == "bf16"
    if config.has_own_code:
        reseed_others(derive(config.seed, "game"))
    return Game(
        config.loss.build(),
        config.penalty.build(),
        trainer.d_steps,
        trainer.ema_kimg,
        bf16,
        trainer.ema_rampup,
        trainer.fake_batch == "reuse",
        config.has_own_code,
        config.augment.build(),
    )


TIMED_STEPS = 5  # steps timed for the estimate; the first one is left out


def opening_line(run: Prepared, training: TrainState, batches: Batches, game: Game, total_steps: int) -> str:
    """Parameters, images, steps, and an estimate of the time and the memory, from some steps that were made.

    Own code was timed when it was rehearsed: a copy of its networks would share what they hold outside of themselves.
    """
    spec, steps = run.spec, total_steps - training.step
    seconds = run.step_seconds
    if spec.in_sweep or steps < TIMED_STEPS:
        seconds = None
    elif not spec.config.has_own_code:
        seconds = _step_seconds(training, batches, game)
    parameters = [sum(p.numel() for p in net.parameters()) for net in (training.generator, training.discriminator)]
    total = None if seconds is None else seconds * steps
    memory = f"{memory_so_far(training.device)} of memory"
    return estimate_line(parameters[0], parameters[1], len(spec.dataset.train), steps, total, memory)


def memory_so_far(where: torch.device) -> str:
    """The most memory that this process has held, in words; of a GPU too."""
    gpu = f", {in_units(torch.cuda.max_memory_reserved(where))} of the GPU's" if where.type == "cuda" else ""
    return f"{in_units(peak_memory())}{gpu}"


def _step_seconds(training: TrainState, batches: Batches, game: Game) -> float:
    """Seconds of one training step, timed on a copy."""
    scratch = copy.deepcopy(training)
    train_step(scratch, batches.at(0), game)
    started = time.perf_counter()
    for step in range(1, TIMED_STEPS):
        train_step(scratch, batches.at(step), game)
    return (time.perf_counter() - started) / (TIMED_STEPS - 1)
