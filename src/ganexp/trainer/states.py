"""When a run writes its metrics.csv and full state."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganexp.trainer.hooks import Session

SAVING_SHARE = 0.02  # of the time of work, which full states take at most while more epochs are to come


class States:
    """The full states of a run at work, of which the newest few are kept.

    One is written at the end, where the run stops or is stopped, before what may take long, and after an epoch unless
    the last one is so recent that writing would take more than `SAVING_SHARE` of the time: where a process is killed,
    that time is lost, or an epoch where that is longer.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._written: tuple[int, int] | None = None  # steps and epochs of the newest one
        self._ended, self._seconds = 0.0, 0.0  # when writing it ended, and how long that took

    def passed(self) -> None:
        """After an epoch: write metrics.csv, and a full state where it is time for one."""
        if (perf_counter() - self._ended) * SAVING_SHARE >= self._seconds:
            self.save()
        else:
            self._write_rows()

    def save(self) -> None:
        """Write metrics.csv, then the full state, where they are not written yet; remove older states."""
        session, training = self.session, self.session.training
        now, started = (training.step, len(training.history)), perf_counter()
        if now == self._written:
            return
        self._write_rows()
        meta = {"epoch": len(training.history), "machine": session.machine, **session.about()}
        meta["elapsed"] = round(session.elapsed(), 3)
        measured = session.measured
        meta["measured"] = {key: measured[key] for key in ("protocol", "metrics") if key in measured}
        folder = session.spec.folder
        training.save(folder.state_checkpoint(training.step), meta)
        folder.prune_states(session.spec.config.trainer.keep_checkpoints, training.step)
        self._written, self._ended = now, perf_counter()
        self._seconds = self._ended - started

    def _write_rows(self) -> None:
        self.session.lease.check()
        self.session.spec.folder.write_rows(self.session.training.history, self.session.columns)
