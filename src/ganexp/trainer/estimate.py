"""The line printed before training: what is trained on what, and how long it will take."""

from __future__ import annotations

import copy
import time

from ganexp.trainer.batches import Batches
from ganexp.trainer.build import Prepared
from ganexp.trainer.progress import estimate_line
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game, train_step

TIMED_STEPS = 5  # steps timed for the estimate; the first one is left out


def opening_line(run: Prepared, training: TrainState, batches: Batches, game: Game, total_steps: int) -> str:
    """Parameters, images, steps, and an estimate of the time.

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
    return estimate_line(parameters[0], parameters[1], len(spec.dataset.train), steps, total)


def _step_seconds(training: TrainState, batches: Batches, game: Game) -> float:
    """Seconds of one training step, timed on a copy."""
    scratch = copy.deepcopy(training)
    train_step(scratch, batches.at(0), game)
    started = time.perf_counter()
    for step in range(1, TIMED_STEPS):
        train_step(scratch, batches.at(step), game)
    return (time.perf_counter() - started) / (TIMED_STEPS - 1)
