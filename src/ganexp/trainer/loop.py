"""The training loop."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import torch

from ganexp.files.record import Row
from ganexp.trainer.batches import Batches
from ganexp.trainer.state import SUMS, TrainState
from ganexp.trainer.step import Game, train_step
from ganexp.trainer.trouble import MOST_LOSS
from ganexp.types.errors import Diverged, Interrupted
from ganexp.types.rng import derive, reseed

CHECK_EVERY = 50  # steps between two checks that the losses are finite


class Hooks(Protocol):
    """Calls of the loop."""

    def interrupted(self) -> bool:
        """Whether to stop before the next step; an exception ends the training at once."""

    def stepped(self, step: int) -> None:
        """After each generator step; `step` of them are done."""

    def epoch_done(self, row: Row) -> None:
        """After each epoch (or the part of one that a limit leaves), with its row of metrics.csv.

        Where it is interrupted before the row is in the state's history, it is called again when training goes on.
        """


@dataclass(frozen=True)
class Limits:
    """Where training ends."""

    epochs: int
    max_steps: int | None = None  # generator steps
    max_seconds: float | None = None  # of training


def train(state: TrainState, batches: Batches, game: Game, limits: Limits, seed: int, hooks: Hooks) -> None:
    """Train until a limit is reached.

    Every step reseeds torch's default generator from (seed, step), and Python's and numpy's where own code takes part,
    so a state restored from a checkpoint goes on exactly as one that was never interrupted.

    Raises:
        Diverged: a loss or a weight is NaN or infinite.
        Interrupted: `hooks.interrupted()` was true; the state is whole, between two steps.
    """
    total = min(limits.epochs * batches.steps_per_epoch, limits.max_steps or sys.maxsize)
    while state.begun or (state.step < total and not _expired(state.train_seconds, limits)):
        epoch = (state.step - state.begun) // batches.steps_per_epoch + 1
        _run_epoch(state, batches, game, limits, seed, hooks, min(total, epoch * batches.steps_per_epoch))
        row = epoch_row(state, batches, epoch)
        if not state.finite():
            raise Diverged(f"epoch {epoch}, step {state.step}: a weight is not finite")
        hooks.epoch_done(row)
        state.sums.zero_()


def epoch_row(state: TrainState, batches: Batches, epoch: int) -> Row:
    """The row of metrics.csv for the epoch that `state.sums` covers: means weighted by images.

    Raises:
        Diverged: a mean is NaN, infinite, or beyond all bounds.
    """
    sums = dict(zip(SUMS, state.sums.tolist(), strict=True))
    weight = sums.pop("weight")
    means = {name: total / weight for name, total in sums.items()}
    for name, mean in means.items():
        if not abs(mean) <= MOST_LOSS:  # nor where it is NaN
            raise Diverged(f"epoch {epoch}, step {state.step}: {name} is {mean:.4g}")
    return {
        "epoch": epoch,
        "step": state.step,
        "images_seen": batches.images_seen(state.step),
        "train_seconds": round(state.train_seconds, 3),
        **means,
    }


def _run_epoch(
    state: TrainState, batches: Batches, game: Game, limits: Limits, seed: int, hooks: Hooks, end: int
) -> None:
    """Steps up to `end`, which lies in the current epoch."""
    epoch = state.step // batches.steps_per_epoch + 1
    before, started = state.train_seconds, perf_counter()
    while state.step < end and not _expired(state.train_seconds, limits):
        if hooks.interrupted():
            raise Interrupted
        reseed(state.device, derive(seed, "step", state.step), everywhere=game.own_code)
        train_step(state, batches.at(state.step), game)
        state.step += 1
        state.train_seconds = before + perf_counter() - started
        hooks.stepped(state.step)
        if state.step % CHECK_EVERY == 0 and state.step < end:
            epoch_row(state, batches, epoch)
    if state.device.type != "cpu":
        torch.accelerator.synchronize(state.device)  # what was asked of a GPU is done later
        state.train_seconds = before + perf_counter() - started


def _expired(seconds: float, limits: Limits) -> bool:
    return limits.max_seconds is not None and seconds >= limits.max_seconds
