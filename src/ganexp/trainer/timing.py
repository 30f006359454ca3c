"""What a run costs, by a few of its steps: the seconds of its parts, and the bytes of its files.

Nothing of the run itself is touched; files are written into a temporary folder, which is removed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch

from ganexp.config.run_spec import RunSpec
from ganexp.files import png
from ganexp.metrics.classifiers import is_trained_first
from ganexp.trainer.build import evaluator_for, memory_so_far
from ganexp.trainer.rehearsal import Training
from ganexp.trainer.threads import apart

STEPS = 20  # timed, after a first one that is not
MOST_SECONDS = 20.0  # after which no further step is timed
SCORED = 1000  # images scored, at most; the time of more is taken to be proportional


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes of a run's parts."""

    step: float  # seconds of a generator step, with its discriminator steps
    epoch: float  # seconds of saving and drawing after an epoch
    scoring: float | None  # seconds of scoring once; None: not timed, as a classifier would be trained first
    state_bytes: int  # of a full state
    generator_bytes: int  # of the sampling generator alone
    picture_bytes: int  # of a sample grid
    memory: str = ""  # the most that the process has held by then, in words


def cost_of(spec: RunSpec, threads: int) -> Cost:
    """Time a run's parts with so many threads.

    Raises:
        Exception: whatever its networks or metrics raise.
    """
    with apart(spec, threads):
        training = Training(spec)
        step = _step_seconds(training)
        with tempfile.TemporaryDirectory() as folder:
            return _measured(spec, training, step, Path(folder))


def _step_seconds(training: Training) -> float:
    training.step()
    synchronize(training)
    started = perf_counter()
    while training.state.step <= STEPS and perf_counter() - started < MOST_SECONDS:
        training.step()
    synchronize(training)
    return (perf_counter() - started) / (training.state.step - 1)


def _measured(spec: RunSpec, training: Training, step: float, folder: Path) -> Cost:
    state, generator, picture = folder / "c" / "state", folder / "c" / "generator", folder / "picture.png"
    saving = _seconds(lambda: training.state.save(state, {}))
    training.state.save_generator(generator, {})
    images = spec.config.trainer.sample_images
    drawing = _seconds(lambda: png.save_grid(picture, png.to_uint8(training.sampler(images))))
    epoch = saving + drawing / (spec.config.trainer.samples_every_epochs or spec.config.trainer.epochs)
    sizes = [path.stat().st_size for path in (state, generator, picture)]
    scoring = _scoring_seconds(spec, training)
    return Cost(step, epoch, scoring, sizes[0], sizes[1], sizes[2], memory_so_far(training.state.device))


def _scoring_seconds(spec: RunSpec, training: Training) -> float | None:
    """As `Cost.scoring`; timed once for each choice of metrics and data, as networks hardly change it."""
    config = spec.config
    key = repr((config.scores, config.metrics, config.dataset, config.conditional, torch.get_num_threads()))
    if key not in _SCORING:
        _SCORING[key] = _timed_scoring(spec, training)
    return _SCORING[key]


_SCORING: dict[str, float | None] = {}


def _timed_scoring(spec: RunSpec, training: Training) -> float | None:
    config, dataset = spec.config, spec.dataset
    if not config.scores:
        return 0.0
    if is_trained_first(dataset):
        return None
    every = min(config.metrics.num_samples, len(dataset.reference) // 2)
    count = max(2, min(every, SCORED))
    evaluator = evaluator_for(replace(config, metrics=replace(config.metrics, num_samples=count)), dataset)
    assert evaluator is not None
    return _seconds(lambda: evaluator.evaluate(training.sampler)) * every / count


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def synchronize(training: Training) -> None:
    """Wait for what was asked of a GPU."""
    if training.state.device.type != "cpu":
        torch.accelerator.synchronize(training.state.device)
