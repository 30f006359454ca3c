"""Worker processes: what one of them does to itself must not reach the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ganexp.sweep.launchers.workers import WorkerDied, Workers


def act(what: str, place: str) -> tuple[str, int, str | None]:
    """A task that behaves or does not."""
    if what == "raise":
        raise ValueError("wrong")
    if what == "exit":
        raise SystemExit(143)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "leave":
        os._exit(3)
    if what == "sleep":
        Path(place).write_text(str(os.getpid()))
        time.sleep(60)
    return what, os.getpid(), os.environ.get("SLOT")


def gone(pid: int, seconds: float = 15.0) -> bool:
    """Whether a process ends in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def wait_for(path: Path, seconds: float = 30.0) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def test_each_task_gets_its_own_answer_whatever_the_others_do() -> None:
    asked = ["one", "raise", "kill", "two", "leave", "exit", "three"]
    workers = Workers(act, [{"SLOT": "a"}, {"SLOT": "b"}])
    answers = dict(workers.run((what, "") for what in asked))
    told = {asked[number]: answer for number, answer in answers.items()}
    assert [told[what][0] for what in ("one", "two", "three")] == ["one", "two", "three"]
    assert {told[what][2] for what in ("one", "two", "three")} <= {"a", "b"}
    assert isinstance(told["raise"], ValueError)
    assert isinstance(told["exit"], SystemExit)
    assert isinstance(told["kill"], WorkerDied)
    assert "SIGKILL" in str(told["kill"])
    assert isinstance(told["leave"], WorkerDied)
    assert "status 3" in str(told["leave"])
    assert os.environ.get("SLOT") is None


def test_a_worker_stays_for_the_next_task_which_is_asked_for_only_then() -> None:
    given: list[int] = []

    def tasks() -> Iterator[tuple[str, str]]:
        for number in range(3):
            given.append(number)
            yield "task", ""

    seen = []
    pids = set()
    for number, (_, pid, _) in Workers(act, [{}]).run(tasks()):
        seen.append((number, len(given)))
        pids.add(pid)
    assert seen == [(0, 1), (1, 2), (2, 3)]
    assert len(pids) == 1
    assert gone(pids.pop())


def test_leaving_early_asks_busy_workers_to_stop(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    tasks = [("sleep", str(place)), *[("fast", "")] * 100_000]
    started = time.monotonic()
    answers = Workers(act, [{}, {}]).run(iter(tasks))
    number, _ = next(answers)
    assert number == 1
    while not place.exists():  # the first worker may still be starting; it is only handed its task while we listen
        next(answers)
    pid = int(wait_for(place))
    answers.close()
    assert gone(pid)
    assert time.monotonic() - started < 30


def test_a_worker_whose_launcher_is_killed_stops(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    script = tmp_path / "launch.py"
    script.write_text(
        "from test_workers import act\n"
        "from ganexp.sweep.launchers.workers import Workers\n"
        "if __name__ == '__main__':\n"
        f"    list(Workers(act, [{{}}]).run(iter([('sleep', {str(place)!r})])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    launcher = subprocess.Popen([sys.executable, str(script)], env=environment)
    pid = int(wait_for(place))
    launcher.kill()
    launcher.wait()
    assert gone(pid)


def test_an_answer_that_cannot_be_sent_is_an_error_that_says_so() -> None:
    class Stubborn:
        def __reduce__(self) -> str:
            raise TypeError("never")

    def give(what: str) -> object:
        return Stubborn() if what == "bad" else what

    answers = dict(Workers(give, [{}]).run(iter([("bad",), ("good",)])))
    assert isinstance(answers[0], RuntimeError)
    assert "cannot be sent" in str(answers[0])
    assert answers[1] == "good"


@pytest.mark.parametrize("count", [1, 3])
def test_no_tasks_no_processes(count: int) -> None:
    workers = Workers(act, [{}] * count)
    assert list(workers.run(iter(()))) == []
    assert all(slot.process is None for slot in workers._slots)
