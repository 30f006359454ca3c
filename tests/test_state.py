import errno
import json
import multiprocessing
import os
import signal
import socket
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from filelock import FileLock

from ganexp.files import state
from ganexp.files.state import HeldError, Lease, State, Status
from ganexp.types.errors import LeaseLost

BEGIN = Status(State.RUNNING, 0, 5, "r" * 32, "t" * 32)


def hold(run, ready, seconds):
    with Lease(run) as lease:
        lease.begin(BEGIN)
        ready.set()
        time.sleep(seconds)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the run in tmp_path."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready, 60))
    process.start()
    assert ready.wait(20)
    yield process
    process.kill()
    process.join()


def aged(run, seconds, **changes):
    """As another host left it `seconds` ago; its clock is ten minutes late, which must not matter."""
    when = (datetime.now(UTC) - timedelta(seconds=600)).isoformat()
    state.write(run, Status(**{**asdict(BEGIN), "heartbeat": when, **changes}))
    written = time.time() - seconds
    os.utime(run / "status.json", (written, written))


def test_a_lease_writes_what_it_is_told(tmp_path):
    with Lease(tmp_path) as lease:
        assert state.read(tmp_path) is None
        lease.begin(BEGIN)
        lease.update(epoch=2)
        lease.update(state=State.COMPLETED)
    written = json.loads((tmp_path / "status.json").read_text())
    assert written["state"] == "COMPLETED"
    assert written["epoch"] == 2
    assert datetime.fromisoformat(written["heartbeat"]).tzinfo is not None


def test_a_run_that_is_held_is_not_given_twice(tmp_path, holder):
    with pytest.raises(HeldError, match=f"process {holder.pid}"), Lease(tmp_path):
        pass
    assert state.effective(tmp_path).state is State.RUNNING


def test_a_dead_holder_is_known_at_once_on_the_same_host(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert state.read(tmp_path).state is State.RUNNING
    assert state.effective(tmp_path).state is State.STALE
    with Lease(tmp_path) as lease:
        lease.begin(BEGIN)


@pytest.mark.parametrize(("age", "held"), [(5.0, True), (55.0, True), (65.0, False), (-5.0, True), (-3600.0, False)])
def test_a_holder_on_another_host_is_judged_by_its_heartbeat(tmp_path, age, held):
    aged(tmp_path, age, holder={"host": "elsewhere", "pid": 1, "token": "x"})
    assert state.effective(tmp_path).state is (State.RUNNING if held else State.STALE)
    if held:
        with pytest.raises(HeldError, match="elsewhere"), Lease(tmp_path):
            pass
    else:
        with Lease(tmp_path) as lease:
            lease.begin(BEGIN)
        assert state.read(tmp_path).holder["host"] == socket.gethostname()


def test_without_locks_the_heartbeat_alone_counts(tmp_path, monkeypatch):
    def acquire(self, *args, **kwargs):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with Lease(tmp_path) as one:
        one.begin(BEGIN)
        with pytest.raises(HeldError), Lease(tmp_path):
            pass
    aged(tmp_path, 65.0, holder={"host": socket.gethostname(), "pid": 1, "token": "x"})
    with Lease(tmp_path) as two:
        two.begin(BEGIN)


def test_a_disk_that_cannot_be_written_is_no_filesystem_without_locks(tmp_path, monkeypatch):
    def acquire(self, *args, **kwargs):
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.raises(OSError, match="read-only"), Lease(tmp_path):
        pass


def test_a_holder_that_wakes_after_a_takeover_stops_writing(tmp_path):
    with Lease(tmp_path) as lease:
        lease.begin(BEGIN)
        aged(tmp_path, 0, holder={"host": "elsewhere", "pid": 1, "token": "other"}, epoch=3)
        with pytest.raises(LeaseLost, match="elsewhere"):
            lease.update(epoch=1)
        assert lease.lost
    assert state.read(tmp_path).epoch == 3


def test_the_heartbeat_goes_on_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "BEAT_SECONDS", 0.02)
    with Lease(tmp_path) as lease:
        lease.begin(BEGIN)
        first = state.read(tmp_path).heartbeat
        deadline = time.monotonic() + 10
        while state.read(tmp_path).heartbeat == first and time.monotonic() < deadline:
            time.sleep(0.02)
        assert state.read(tmp_path).heartbeat > first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "DANCING"}', '{"state": "RUNNING"}'])
def test_an_unreadable_status_is_none(tmp_path, content):
    (tmp_path / "status.json").write_text(content)
    assert state.read(tmp_path) is None
