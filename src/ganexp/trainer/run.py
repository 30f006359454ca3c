"""One run, from its specification to its result: read if it is finished, continued if it is not.

spec -> folder claimed -> finished already? -> evaluator, own code, logger (all refusals before the lease)
-> lease -> networks, optimizers, batches -> read off a longer run, or restore -> train(hooks) -> finish
-> outcome
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGINT
from typing import Any, Literal

import torch

from ganexp.config.own_code import accept, own_code
from ganexp.config.own_code import check as check_code
from ganexp.config.run_spec import RunSpec
from ganexp.files.code_record import NOT_REPRODUCIBLE, joined
from ganexp.files.lease import HeldError, Lease
from ganexp.files.provenance import machine
from ganexp.trainer.build import (
    Prepared,
    build_batches,
    build_game,
    build_state,
    make_evaluator,
    opening_line,
    set_up_torch,
)
from ganexp.trainer.closing import closing_lines
from ganexp.trainer.compatible import check_together
from ganexp.trainer.finish import draw_losses, draw_real, finish
from ganexp.trainer.hooks import Session
from ganexp.trainer.initial import start_from
from ganexp.trainer.listening import listener
from ganexp.trainer.loop import Limits, train
from ganexp.trainer.progress import Progress
from ganexp.trainer.rehearsal import rehearsed
from ganexp.trainer.result import objective_value
from ganexp.trainer.signals import Signals
from ganexp.trainer.threads import threads_for
from ganexp.trainer.trajectory import read_off_longer, restore_newest, siblings
from ganexp.types.doing import telling
from ganexp.types.endings import FAILED, State, ending
from ganexp.types.errors import DirectoryError, Diverged, Interrupted, LeaseLost, Pruned

log = logging.getLogger("ganexp")

WAIT_SECONDS = 2.0  # between two checks of a run that another process works on


@dataclass(frozen=True)
class Outcome:
    """How a call left a run: at its end, or RUNNING where another process works on it."""

    state: State
    objective: float | None  # final value of metrics.objective on reference half A
    directory: Path
    message: str  # for the user: what ended it in one line, or where the results of a completed run are
    signal: int | None = None  # that interrupted it

    @property
    def exit_status(self) -> int:
        """Exit status of a command for this run alone: 128 + n where signal n interrupted it."""
        if self.state is State.INTERRUPTED:
            return 128 + (self.signal or SIGINT)
        return 0 if self.state is State.COMPLETED else FAILED


def execute(spec: RunSpec) -> Outcome:
    """Bring a run to its end: return at once where it is finished, else start or continue it.

    Where another process works on it, a single run waits for that one, and a sweep leaves the run to it.

    Raises:
        Refused: before any work, where the directory, the data or the metrics do not allow it.
        Exception: whatever made the run fail, after its state was written.
    """
    check_together(spec.config, spec.identity.content.get("init_from"))
    spec.folder.refuse_links(itself=spec.in_sweep)
    spec = replace(spec, code=check_code(spec.directory, own_code(spec.config), spec.config))
    spec.folder.claim(spec.identity.run_id, spec.identity.content, itself=spec.in_sweep)
    outcome = _finished(spec)
    if outcome is not None:
        accept(spec.directory, spec.code)
        return outcome
    run = _prepare(spec)
    while True:
        try:
            with Signals().caught() as signals, ExitStack() as stack:
                lease = _take_lease(stack, run.spec)
                finished = _finished(run.spec)
                return finished if finished is not None else _work(run, lease, signals)
        except HeldError as held:
            if spec.in_sweep:
                return Outcome(State.RUNNING, None, spec.directory, f"left to {held}")
            log.warning("%s is being worked on by %s; waiting", spec.directory, held)
            time.sleep(WAIT_SECONDS)


def _finished(spec: RunSpec) -> Outcome | None:
    """The outcome of a run that needs no work: finished, or ended badly and not to be retried."""
    status = spec.folder.status()
    if status is None:
        return None
    if (result := spec.folder.finished_result()) is not None:
        message = f"already done; {spec.caveat}" if spec.caveat else "already done"
        return Outcome(State.COMPLETED, objective_value(result), spec.directory, message)
    if status.state in (State.FAILED, State.DIVERGED) and spec.config.sweep.retry == "none":
        reason = (status.error or {}).get("message", "")
        message = f"{status.state} before ({reason}); sweep.retry=failed tries again"
        return Outcome(status.state, None, spec.directory, message)
    return None


def _prepare(spec: RunSpec) -> Prepared:
    """Build everything that can still be refused."""
    set_up_torch(spec)
    evaluator = make_evaluator(spec, wait=True)
    spec, step_seconds = _rehearsed(spec)
    return Prepared(spec, evaluator, spec.config.logger.build(), step_seconds)


def _rehearsed(spec: RunSpec) -> tuple[RunSpec, float | None]:
    """The spec with the result of the rehearsal of own code, and the seconds of a step.

    Raises:
        ConfigError: the run was recorded with other code, or is not reproducible.
    """
    if spec.code is None:
        return spec, None
    for folder in siblings(spec):
        check_code(folder, spec.code, spec.config)
    code, seconds = rehearsed(spec, spec.code)
    if seconds is not None and code.problems:
        log.warning("%s: %s", NOT_REPRODUCIBLE, "; ".join(code.problems))
    return replace(spec, code=joined(spec.code, code)), seconds


def _take_lease(stack: ExitStack, spec: RunSpec) -> Lease:
    """The lease of the run directory, which is made where it is missing; given back with `stack`.

    Raises:
        DirectoryError: it cannot be written.
        HeldError: another process holds the run.
    """
    try:
        spec.directory.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(spec.folder.lease())
    except OSError as error:
        raise DirectoryError(f"{spec.directory}: cannot be written ({error.strerror or error})") from None


def _work(run: Prepared, lease: Lease, signals: Signals) -> Outcome:
    """Work on a run whose lease is held, and write its end state."""
    spec = run.spec
    if lease.locked:
        spec.folder.drop_left_over()
    lease.begin(spec.new_status(State.RUNNING))
    spec.folder.write_record(spec.texts, spec.identity.content, spec.code)
    try:
        result = _train(run, lease, signals)
    except LeaseLost:
        raise
    except BaseException as error:
        end = ending(error)
        assert end.state is not None
        try:
            lease.update(state=end.state, error=end.reason, doing="")
        except OSError as write_error:  # a full disk, say; readers find that the holder is gone
            log.error("%s: that it %s cannot be written either (%s)", spec.directory, end.state.lower(), write_error)
        run.logger.finish(end.state.value)
        if not isinstance(error, Interrupted | Pruned | Diverged):
            raise
        return Outcome(end.state, None, spec.directory, end.message, signals.received)
    lease.update(state=State.COMPLETED, error=None)
    run.logger.finish(State.COMPLETED.value)
    return Outcome(State.COMPLETED, objective_value(result), spec.directory, closing_lines(spec, result))


def _train(run: Prepared, lease: Lease, signals: Signals) -> dict[str, Any]:
    """Train the missing epochs, then score and draw the end; returns the content of result.json."""
    spec, trainer = run.spec, run.spec.config.trainer
    training, batches, game = build_state(spec), build_batches(spec), build_game(spec)
    total = min(trainer.epochs * batches.steps_per_epoch, trainer.max_steps or sys.maxsize)
    per_step = batches.images_seen(total) / total
    enabled: Literal["off", "auto"] = "off" if spec.in_sweep else "auto"
    shown = Progress(total_steps=total, epochs=trainer.epochs, images_per_step=per_step, enabled=enabled)
    with shown as progress, ExitStack() as stack:
        conditions = machine(str(training.device), torch.get_num_threads())
        session = Session(run, training, batches, lease, signals, progress, conditions)
        stack.enter_context(telling(listener(session)))
        draw_real(spec)
        longer = read_off_longer(session)
        if longer is not None:
            return finish(session, longer)
        restored = restore_newest(spec, training, total, progress.note)
        if restored is None:
            start_from(spec, training, progress.note)
        session.threads = threads_for(spec, training, total, restored, session.interrupted)
        session.machine["threads"] = session.threads.recorded
        session.go_on(restored)
        limits = Limits(trainer.epochs, trainer.max_steps, trainer.max_seconds)
        try:
            session.threads.go()
            opening = opening_line(run, training, batches, game, total)
            progress.start(opening, training.step, len(training.history))
            train(training, batches, game, limits, spec.config.seed, session)
            session.states.save()
        except Interrupted:
            session.states.save()
            raise
        except Pruned:
            session.states.save()
            draw_losses(spec, training.history)
            raise
        finally:
            session.threads.rest()
        return finish(session)
