"""When a run writes its full state: always at the end, and before as often as it takes a small share of the time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganexp.files.checkpoint import load, weights_sha256
from ganexp.trainer import loop, run, states
from ganexp.trainer.states import States
from helpers import TINY, make_spec


class _Session:
    """Stands in for a run at work: notes when it writes what, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writing: float) -> None:
        self.now, self.writing, self.written, self.rows = 1000.0, writing, [], 0
        self.machine: dict[str, Any] = {}
        self.measured: dict[str, Any] = {}
        self.columns: list[str] = []
        self.training = SimpleNamespace(step=0, history=[], save=self._save)
        folder = SimpleNamespace(state_checkpoint=int, prune_states=lambda *_: None, write_rows=self._write_rows)
        self.spec = SimpleNamespace(folder=folder, config=SimpleNamespace(trainer=SimpleNamespace(keep_checkpoints=2)))
        self.lease = SimpleNamespace(check=lambda: None)
        monkeypatch.setattr(states, "perf_counter", lambda: self.now)

    def about(self) -> dict[str, Any]:
        return {}

    def elapsed(self) -> float:
        return 0.0

    def _save(self, step: int, meta: dict[str, Any]) -> None:
        self.now += self.writing
        self.written.append(meta["epoch"])

    def _write_rows(self, history: list[int], columns: list[str]) -> None:
        self.rows = len(history)

    def epochs(self, kept: States, count: int, seconds: float) -> None:
        for _ in range(count):
            self.now += seconds
            self.training.step += 10
            self.training.history.append(len(self.training.history) + 1)
            kept.passed()
            assert self.rows == len(self.training.history), "metrics.csv has every epoch"


@pytest.mark.parametrize(
    ("seconds", "writing", "written"),
    [
        (10.0, 0.1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (1.0, 0.05, [1, 4, 7, 10]),
        (1.0, 0.075, [1, 5, 9]),
        (0.01, 1.0, [1]),
    ],
)
def test_states_take_a_fiftieth_of_the_time_at_most(
    seconds: float, writing: float, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = _Session(monkeypatch, writing)
    session.epochs(States(session), 10, seconds)  # type: ignore[arg-type]
    assert session.written == written


def test_a_state_that_is_asked_for_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    session = _Session(monkeypatch, 1.0)
    kept = States(session)  # type: ignore[arg-type]
    session.epochs(kept, 3, 0.01)
    kept.save()
    kept.save()
    assert session.written == [1, 3]
    session.training.step += 1
    kept.save()
    assert session.written == [1, 3, 3], "in the middle of an epoch"


@pytest.mark.parametrize("stopped_after", [None, 8])
def test_a_run_that_skips_states_ends_with_one_and_with_the_same_bits(
    stopped_after: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_losses_figure: None
) -> None:
    every, few = make_spec(tmp_path / "every", *TINY), make_spec(tmp_path / "few", *TINY)
    monkeypatch.setattr(states, "SAVING_SHARE", float("inf"))
    run.execute(every)
    assert [_step(path) for path in every.folder.state_checkpoints()] == [12, 9]
    monkeypatch.setattr(states, "SAVING_SHARE", 0.0)
    if stopped_after is not None:
        original, steps = loop.train_step, []

        def failing(*arguments: Any) -> None:
            if len(steps) == stopped_after:
                raise RuntimeError("the power is gone")
            steps.append(original(*arguments))

        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power"):
            patch.setattr(loop, "train_step", failing)
            run.execute(few)
        assert [_step(path) for path in few.folder.state_checkpoints()] == [3], "of two finished epochs"
        assert len(few.folder.rows()) == 2
        few = make_spec(tmp_path / "few", *TINY, "sweep.retry=failed")
    run.execute(few)
    assert _step(few.folder.state_checkpoints()[0]) == 12
    for of in (lambda folder: folder.state_checkpoints()[0], lambda folder: folder.generator_checkpoint(4)):
        (one, _), (other, _) = load(of(every.folder)), load(of(few.folder))
        assert weights_sha256(one) == weights_sha256(other)


def _step(path: Path) -> int:
    return int(path.stem.partition("_")[2])
