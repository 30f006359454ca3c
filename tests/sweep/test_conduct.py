"""What is launched, waited for and left alone, with a launcher that only writes files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus

from ganexp.files.atomic import write_json
from ganexp.files.run_folder import RunFolder, number_in
from ganexp.files.status import Status, now
from ganexp.files.status import write as write_status
from ganexp.sweep import conduct
from ganexp.sweep.conduct import ATTEMPTS, Conductor
from ganexp.sweep.points import Point
from ganexp.types.endings import State

Make = Callable[..., list[Point]]


def write(folder: Path, point: Point, current: State, **more: object) -> None:
    """status.json of a run, without a holder, and result.json where it is finished."""
    (folder / point.run_dir).mkdir(parents=True, exist_ok=True)
    if current is State.COMPLETED:
        write_json(
            folder / point.run_dir / "result.json", {"final": {}, "train_seconds": 1.0, "images_per_second": None}
        )
    status = Status(current, 1, point.epochs, point.run_id, point.trajectory_id, heartbeat=now(), **more)  # type: ignore[arg-type]
    write_status(folder / point.run_dir / "status.json", status)


class FakeLauncher:
    """Calls a function for each job and returns what it gives."""

    def __init__(self, run: Callable[[list[str]], JobReturn]) -> None:
        self.run = run
        self.batches: list[list[list[str]]] = []

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        self.batches.append([list(overrides) for overrides in job_overrides])
        return [self.run(list(overrides)) for overrides in job_overrides]


class Sweep:
    """Points of lr 1, 2, 3 with two numbers of epochs each, and a conductor for them."""

    def __init__(self, folder: Path, points: list[Point]) -> None:
        self.folder, self.points = folder, points
        self.answers: dict[str, Callable[[list[Point]], JobReturn | None]] = {}
        self.launcher = FakeLauncher(self._run)

    def conductor(self, *, retry: bool = False, batch: int | None = None) -> Conductor:
        return Conductor(self.folder, self.points, self.launcher, batch, retry=retry)  # type: ignore[arg-type]

    def of(self, lr: int) -> list[Point]:
        return [point for point in self.points if point.values["optim.lr"] == lr]

    def _run(self, overrides: list[str]) -> JobReturn:
        lr = next(text for text in overrides if text.startswith("optim.lr=")).partition("=")[2]
        asked = [point for point in self.of(int(lr)) if f"trainer.epochs={point.epochs}" in overrides]
        read_off = next((t.partition("=")[2] for t in overrides if t.startswith("sweep.read_off=")), "")
        made = asked + [p for p in self.of(int(lr)) if str(p.epochs) in read_off]
        answer = self.answers.get(lr, self.complete)(made)
        return answer if answer is not None else JobReturn(status=JobStatus.COMPLETED)

    def complete(self, points: list[Point]) -> None:
        for point in points:
            write(self.folder, point, State.COMPLETED)


@pytest.fixture
def sweep(tmp_path: Path, make_points: Make) -> Sweep:
    grid = [(f"optim.lr={rate}", f"trainer.epochs={epochs}") for rate in (1, 2, 3) for epochs in (1, 2)]
    return Sweep(tmp_path, make_points(*grid))


def died(message: str) -> Callable[[list[Point]], JobReturn]:
    done = JobReturn(status=JobStatus.FAILED)
    done.return_value = RuntimeError(message)
    return lambda points: done


def test_one_job_for_each_trajectory_then_nothing(sweep: Sweep) -> None:
    sweep.conductor().conduct()
    assert [len(batch) for batch in sweep.launcher.batches] == [3]
    overrides = sweep.launcher.batches[0][0]
    assert "sweep.read_off=[1]" in overrides
    assert overrides[-2] == f"sweep.run_id='{sweep.of(1)[1].run_id}'"
    assert overrides[-1] == f"hydra.sweep.dir='{sweep.folder}'"
    again = sweep.conductor()
    again.conduct()
    assert len(sweep.launcher.batches) == 1
    assert set(again.states().values()) == {State.COMPLETED}


def test_batches(sweep: Sweep) -> None:
    sweep.conductor(batch=2).conduct()
    assert [len(batch) for batch in sweep.launcher.batches] == [2, 1]


@pytest.mark.parametrize("current", [State.INTERRUPTED, State.RUNNING])
def test_half_done_runs_are_launched_again(sweep: Sweep, current: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganexp.files.lease.STALE_SECONDS", -1.0)
    write(sweep.folder, sweep.points[0], current, holder={"host": "gone", "pid": 1, "token": "x"})
    sweep.conductor().conduct()
    assert len(sweep.launcher.batches[0]) == 3


@pytest.mark.parametrize("current", [State.FAILED, State.DIVERGED])
def test_what_ended_badly_is_tried_again_only_when_asked_and_then_once(sweep: Sweep, current: State) -> None:
    def fail(points: list[Point]) -> None:
        for point in points:
            write(sweep.folder, point, current)

    sweep.answers["2"] = fail
    sweep.conductor().conduct()
    sweep.conductor().conduct()
    assert [len(batch) for batch in sweep.launcher.batches] == [3]
    retried = sweep.conductor(retry=True)
    retried.conduct()
    assert [len(batch) for batch in sweep.launcher.batches] == [3, 1]
    assert [retried.state_of(point) for point in sweep.of(2)] == [current] * 2


def test_a_job_that_is_interrupted_again_and_again_is_given_up(sweep: Sweep) -> None:
    def interrupt(points: list[Point]) -> None:
        for point in points:
            write(sweep.folder, point, State.INTERRUPTED)

    sweep.answers["1"] = interrupt
    sweep.conductor().conduct()
    assert [len(batch) for batch in sweep.launcher.batches] == [3, *[1] * (ATTEMPTS - 1)]


def test_a_run_whose_process_died_without_a_word_failed(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ganexp.files.lease.STALE_SECONDS", -1.0
    )  # a status without a holder is judged by its heartbeat

    def die(points: list[Point]) -> JobReturn:
        longest = max(points, key=lambda point: point.epochs)
        write(sweep.folder, longest, State.RUNNING, holder=None)
        return died("killed by SIGKILL")(points)

    sweep.answers["2"] = die
    conductor = sweep.conductor()
    told: list[list[State]] = []
    conductor.on_end = lambda job, states: told.append(sorted(states.values()))
    conductor.conduct()
    statuses = [RunFolder(sweep.folder / point.run_dir).status() for point in sweep.of(2)]
    assert [status.state for status in statuses if status] == [State.FAILED] * 2
    assert all(s is not None and s.error == {"type": "RuntimeError", "message": "killed by SIGKILL"} for s in statuses)
    assert [State.FAILED, State.FAILED] in told


def test_a_failure_that_cannot_be_written_ends_its_job_alone_and_for_good(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conduct, "mark_failed", full)
    sweep.answers["2"] = died("no luck")
    conductor = sweep.conductor()
    conductor.conduct()
    assert [len(batch) for batch in sweep.launcher.batches] == [3]
    assert {conductor.state_of(point) for point in sweep.of(2)} == {State.PENDING}
    assert {conductor.state_of(point) for point in sweep.of(3)} == {State.COMPLETED}
    assert "that it failed cannot be written" in caplog.text


def test_a_failure_does_not_overwrite_what_was_finished(sweep: Sweep) -> None:
    def half(points: list[Point]) -> JobReturn:
        write(sweep.folder, min(points, key=lambda point: point.epochs), State.COMPLETED)
        return died("late")(points)

    sweep.answers["3"] = half
    conductor = sweep.conductor()
    conductor.conduct()
    assert sorted(conductor.state_of(point) for point in sweep.of(3)) == [State.COMPLETED, State.FAILED]


def test_runs_that_another_process_holds_are_waited_for(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    long = max(sweep.of(1), key=lambda point: point.epochs)
    folder = sweep.folder / long.run_dir
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text("sweep:\n  read_off: [1]\n")
    lease = RunFolder(folder).lease()
    lease.__enter__()
    lease.begin(Status(State.RUNNING, 0, 2, long.run_id, long.trajectory_id))
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            lease.update(state=State.INTERRUPTED)
            lease.__exit__(None, None, None)

    monkeypatch.setattr(conduct.time, "sleep", nap)
    conductor = sweep.conductor()
    conductor.conduct()
    assert len(naps) == 2
    assert [len(batch) for batch in sweep.launcher.batches] == [2, 1]  # what is being read off was not doubled either
    assert set(conductor.states().values()) == {State.COMPLETED}


def test_of_a_completed_run_the_last_full_state_stays_for_longer_runs(sweep: Sweep) -> None:
    def complete(points: list[Point]) -> None:
        sweep.complete(points)
        for point in points:
            folder = RunFolder(sweep.folder / point.run_dir)
            (folder.path / "checkpoints").mkdir(exist_ok=True)
            for step in (3, 6):
                folder.state_checkpoint(step).write_bytes(b"x")

    def fail(points: list[Point]) -> None:
        complete(points)
        for point in points:
            write(sweep.folder, point, State.FAILED)

    sweep.answers = {"1": complete, "2": fail}
    sweep.conductor().conduct()

    def steps(lr: int) -> list[int]:
        return [number_in(path) for path in RunFolder(sweep.folder / sweep.of(lr)[1].run_dir).state_checkpoints()]

    assert (steps(1), steps(2)) == ([6], [6, 3])
