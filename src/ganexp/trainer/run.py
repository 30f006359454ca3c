"""One run from its configuration to its result: read it if it is finished, go on with it if it is not."""

from __future__ import annotations

import copy
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from ganexp.config.own_code import accept, own_code
from ganexp.config.own_code import check as check_code
from ganexp.config.run_config import plain_values
from ganexp.config.run_spec import RunSpec
from ganexp.files import pictures
from ganexp.files.code_record import NOT_REPRODUCIBLE, joined
from ganexp.files.drawing import decoration
from ganexp.files.foreign import folder_below
from ganexp.files.lease import HeldError, Lease
from ganexp.files.provenance import machine
from ganexp.files.run_folder import (
    RunFolder,
)
from ganexp.files.status import Status
from ganexp.logger import Logger
from ganexp.trainer import Batches, Game, TrainState, train
from ganexp.trainer.build import build_batches, build_game, build_state, derived, make_evaluator, settings
from ganexp.trainer.compatible import check_together
from ganexp.trainer.finish import draw_closer, draw_losses, objective_value
from ganexp.trainer.hooks import Session, Signals
from ganexp.trainer.loop import Limits
from ganexp.trainer.progress import Progress, estimate_line
from ganexp.trainer.rehearsal import rehearsed
from ganexp.trainer.step import train_step
from ganexp.trainer.trajectory import load_generator, longer_with_generator, restore_newest, siblings
from ganexp.types.endings import FAILED, State
from ganexp.types.errors import DirectoryError, Diverged, Interrupted, LeaseLost, Pruned, in_words

if TYPE_CHECKING:
    from ganexp.metrics import Evaluator

log = logging.getLogger("ganexp")

TIMED_STEPS = 5
"""Steps that the estimate of a run's time is made from, the first one left out."""

WAIT_SECONDS = 2.0
"""Between two looks at a run that another process works on."""


@dataclass(frozen=True)
class Outcome:
    """What has become of a run.

    Attributes:
        state: its state.
        objective: final value of metrics.objective on reference half A, or None.
        directory: its run directory.
        message: one line for the user.
        signal: the signal that interrupted it, or None.
    """

    state: State
    objective: float | None
    directory: Path
    message: str
    signal: int | None = None

    @property
    def exit_status(self) -> int:
        """Of a command that was asked for this run alone: 128 + n where signal n interrupted it."""
        if self.state is State.INTERRUPTED:
            return 128 + (self.signal or SIGINT)
        return 0 if self.state is State.COMPLETED else FAILED


def execute(spec: RunSpec) -> Outcome:
    """Do what is missing of a run.

    Raises:
        Refused: before any work, where the directory, the data or the metrics do not allow it.
        Exception: whatever made the run fail, after its state was written.
    """
    check_together(spec.config)
    spec.folder.refuse_links(itself=spec.in_sweep)
    spec = replace(spec, code=check_code(spec.directory, own_code(spec.config), spec.config))
    spec.folder.claim(spec.identity.run_id, spec.identity.content)
    done = _already(spec)
    if done is not None:
        accept(spec.directory, spec.code)
        return done
    settings(spec)
    evaluator = make_evaluator(spec)
    spec, seconds = _rehearsed(spec)
    logger = spec.config.logger.build()
    while True:
        try:
            with Signals().caught() as signals, ExitStack() as stack:
                lease = _enter(stack, spec.directory)
                return _already(spec) or _hold(spec, lease, signals, evaluator, logger, seconds)
        except HeldError as held:
            if spec.in_sweep:
                return Outcome(State.RUNNING, None, spec.directory, f"left to {held}")
            log.warning("%s is being worked on by %s; waiting", spec.directory, held)
            time.sleep(WAIT_SECONDS)


def _rehearsed(spec: RunSpec) -> tuple[RunSpec, float | None]:
    """Where own code takes part: the run with what was noticed of it, and the seconds of a step; see `rehearsal`.

    Raises:
        ConfigError: it was recorded with other code beside this run, or its numbers could not be had again.
    """
    if spec.code is None:
        return spec, None
    for folder in siblings(spec):
        check_code(folder, spec.code, spec.config)
    code, seconds = rehearsed(spec, spec.code)
    if seconds is not None and code.problems:
        log.warning("%s: %s", NOT_REPRODUCIBLE, "; ".join(code.problems))
    return replace(spec, code=joined(spec.code, code)), seconds


def _enter(stack: ExitStack, directory: Path) -> Lease:
    """The lease of a run directory, which is made where it is missing; given back with `stack`.

    Raises:
        DirectoryError: it cannot be written.
        HeldError: another process holds the run.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(RunFolder(directory).lease())
    except OSError as error:
        raise DirectoryError(f"{directory}: cannot be written ({error.strerror or error})") from None


def _already(spec: RunSpec) -> Outcome | None:
    """The outcome of a run that needs no work: finished, or ended badly and not to be retried."""
    status = spec.folder.status()
    if status is None:
        return None
    if status.state is State.COMPLETED:
        content = spec.folder.finished_result()
        if content is not None:
            message = f"already done; {spec.note}" if spec.note else "already done"
            return Outcome(State.COMPLETED, objective_value(content), spec.directory, message)
    if status.state in (State.FAILED, State.DIVERGED) and spec.config.sweep.retry == "none":
        reason = (status.error or {}).get("message", "")
        message = f"{status.state} before ({reason}); sweep.retry=failed tries again"
        return Outcome(status.state, None, spec.directory, message)
    return None


def _hold(
    spec: RunSpec, lease: Lease, signals: Signals, evaluator: Evaluator | None, logger: Logger, seconds: float | None
) -> Outcome:
    """Work on a run that is ours now, and write what became of it; `seconds` of a step, where they are known."""
    if lease.locked:
        spec.folder.drop_left_over()
    epochs, identity = spec.config.trainer.epochs, spec.identity
    lease.begin(Status(State.RUNNING, 0, epochs, identity.run_id, identity.trajectory_id, note=spec.note))
    spec.folder.write_record(spec.texts, identity.content, spec.code)
    try:
        content = _work(spec, lease, signals, evaluator, logger, seconds)
    except Interrupted:
        lease.update(state=State.INTERRUPTED)
        logger.finish(State.INTERRUPTED.value)
        message = "stopped between two steps; the same command goes on"
        return Outcome(State.INTERRUPTED, None, spec.directory, message, signals.received)
    except Pruned as error:
        lease.update(state=State.PRUNED)
        logger.finish(State.PRUNED.value)
        return Outcome(State.PRUNED, None, spec.directory, str(error))
    except Diverged as error:
        lease.update(state=State.DIVERGED, error={"type": "Diverged", "message": str(error)})
        logger.finish(State.DIVERGED.value)
        return Outcome(State.DIVERGED, None, spec.directory, str(error))
    except LeaseLost:
        raise
    except BaseException as error:
        message = in_words(error)
        try:
            lease.update(state=State.FAILED, error={"type": type(error).__name__, "message": message})
        except OSError as second:  # a full disk, say; who looks at the run finds its holder gone
            log.error("%s: that it failed cannot be written either (%s)", spec.directory, second)
        logger.finish(State.FAILED.value)
        raise
    lease.update(state=State.COMPLETED, error=None)
    logger.finish(State.COMPLETED.value)
    return Outcome(State.COMPLETED, objective_value(content), spec.directory, _closing_line(spec, content))


def _work(
    spec: RunSpec, lease: Lease, signals: Signals, evaluator: Evaluator | None, logger: Logger, seconds: float | None
) -> dict[str, Any]:
    """Train what is missing, then score and draw the end; gives result.json's content."""
    training, batches, game = build_state(spec), build_batches(spec), build_game(spec)
    here = machine(str(training.device), torch.get_num_threads())
    trainer = spec.config.trainer
    total = min(trainer.epochs * batches.steps_per_epoch, trainer.max_steps or sys.maxsize)
    per_step = batches.images_seen(total) / total
    enabled: Literal["off", "auto"] = "off" if spec.in_sweep else "auto"
    with Progress(total_steps=total, epochs=trainer.epochs, images_per_step=per_step, enabled=enabled) as progress:
        session = Session(spec, training, batches, evaluator, lease, signals, progress, logger, here)
        _draw_real(spec)
        read_off = _read_off(session)
        if read_off is not None:
            return read_off
        restored = restore_newest(spec, training, total, progress.note)
        _go_on(session, restored, here)
        _start_logger(session, restored)
        opening = _opening_line(spec, training, batches, game, total, seconds)
        progress.start(opening, training.step, len(training.history))
        limits = Limits(trainer.epochs, trainer.max_steps, trainer.max_seconds)
        try:
            train(training, batches, game, limits, spec.config.seed, session)
        except Interrupted:
            session.save()
            raise
        except Pruned:
            draw_losses(spec, training.history)
            raise
        return _finish(session)


def _plain(spec: RunSpec) -> dict[str, Any]:
    """The whole configuration for loggers, as composed."""
    tree = OmegaConf.create(spec.texts.config)
    assert isinstance(tree, DictConfig)
    return plain_values(tree)


def _start_logger(session: Session, restored: Mapping[str, Any] | None) -> None:
    """Start the logger; what a shorter run of the trajectory logged, this run's own log does not hold yet."""
    spec, training = session.spec, session.training
    own = restored is None or restored["folder"] == spec.directory
    session.logger.start(spec.directory, _plain(spec), spec.identity.run_id, training.step if own else 0)
    for row in () if own else training.history:
        session.logger.log(row, int(row["step"] or 0))


def _go_on(session: Session, restored: Mapping[str, Any] | None, here: Mapping[str, Any]) -> None:
    """After a restore: say so, and write the files that stand behind the checkpoint."""
    if restored is None:
        return
    session.earlier_seconds = float(restored.get("elapsed", 0.0))
    for row in session.training.history:
        session.judged(row)
    session.lease.update(epoch=len(session.training.history))
    origin = "" if restored["folder"] == session.spec.directory else f" of {restored['folder'].name}"
    session.progress.note(f"going on after step {session.training.step:,}{origin}")
    before = restored.get("machine", {})
    changed = [f"{key} {before.get(key)} -> {value}" for key, value in here.items() if before.get(key) != value]
    if session.spec.code is not None and session.spec.code.problems:
        session.progress.note(f"{NOT_REPRODUCIBLE}: going on gives other numbers than a training in one go")
    if changed:
        session.progress.note(f"under other conditions ({', '.join(changed)}): the last bits may differ")
    if origin or session.training.history:
        session.save()
    for epoch in session.spec.config.sweep.read_off:
        if epoch <= len(session.training.history):
            session.read_off(epoch)


def _read_off(session: Session) -> dict[str, Any] | None:
    """result.json's content where a longer run of the trajectory kept the generator of our last epoch."""
    spec, training = session.spec, session.training
    epoch = spec.config.trainer.epochs
    found = None if spec.config.trainer.max_steps else longer_with_generator(spec, epoch)
    if found is None:
        return None
    folder, rows = found
    session.progress.note(f"read off {folder.name}, without training")
    training.generator.load_state_dict(
        load_generator(training.generator, RunFolder(folder).generator_checkpoint(epoch)).state_dict()
    )
    training.average, training.history, training.step = None, rows, int(rows[-1]["step"] or 0)
    training.train_seconds = float(rows[-1]["train_seconds"] or 0.0)
    with decoration(spec.directory / "samples"):
        spec.folder.link_samples(RunFolder(folder), epoch)
    spec.folder.write_rows(rows, list(spec.config.scores))
    return _finish(session, folder.name)


def _draw_real(spec: RunSpec) -> None:
    """samples/real.png: the first training images."""
    path = spec.directory / "samples" / "real.png"
    if path.exists():
        return
    folder_below(spec.directory, "samples")
    with decoration(path):
        pictures.save_grid(path, np.array(spec.dataset.train[: spec.config.trainer.sample_images]))


def _opening_line(
    spec: RunSpec, training: TrainState, batches: Batches, game: Game, total: int, seconds: float | None
) -> str:
    """One line before training: parameters, images, steps, and an estimate of the time.

    Own code was timed when it was rehearsed: a copy of its networks would share what it holds elsewhere.
    """
    left = total - training.step
    if spec.in_sweep or left < TIMED_STEPS:
        seconds = None
    elif not spec.config.has_own_code:
        seconds = _estimate(spec, training, batches, game)
    seconds = None if seconds is None else seconds * left
    parameters = [sum(p.numel() for p in net.parameters()) for net in (training.generator, training.discriminator)]
    return estimate_line(parameters[0], parameters[1], len(spec.dataset.train), left, seconds)


def _estimate(spec: RunSpec, training: TrainState, batches: Batches, game: Game) -> float:
    """Seconds of one training step, from a few on a copy that is thrown away."""
    scratch = copy.deepcopy(training)
    train_step(scratch, batches.at(0), game)
    started = time.perf_counter()
    for step in range(1, TIMED_STEPS):
        train_step(scratch, batches.at(step), game)
    return (time.perf_counter() - started) / (TIMED_STEPS - 1)


def _closing_line(spec: RunSpec, content: Mapping[str, Any]) -> str:
    objective = content.get("objective") or {}
    value = objective.get("value")
    measured = "" if value is None else f"{objective['name']} {value:.4g} (reference half A); "
    measured = f"{spec.note}; {measured}" if spec.note else measured
    return f"{measured}pictures: {picture_path(spec.directory)}"


def picture_path(directory: Path) -> Path:
    """The newest sample grid of a run directory, or its folder of pictures where there is none."""
    found = sorted((directory / "samples").glob("epoch_*.png"))
    return found[-1] if found else directory / "samples"


def _finish(session: Session, read_off: str | None = None) -> dict[str, Any]:
    """Everything that a finished run leaves; gives result.json's content."""
    spec, rows = session.spec, session.training.history
    epoch = int(rows[-1]["epoch"] or 0)
    session.save_generator(epoch)
    with session.naming(epoch):
        scores = session.scores(epoch)
        content = {**session.result(spec, rows, scores), "read_off": read_off}
        spec.folder.write_result(content)
        if not spec.folder.samples_png(epoch).exists():
            session.draw_samples(epoch)
    draw_losses(spec, rows)
    if spec.config.metrics.pictures and session.evaluator is not None:
        derived(spec.config, session.training.device, "closer", epoch)
        draw_closer(spec, session.evaluator, session.sample)
    session.judged(content["final"])
    return content
