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

from ganexp.files.lease import HeldError
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status, write
from ganexp.types.endings import State
from ganexp.types.errors import LeaseLost

BEGIN = Status(State.RUNNING, 0, 5, "r" * 32, "t" * 32)


def hold(run, ready, seconds):
    with RunFolder(run).lease() as lease:
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
    write(run / "status.json", Status(**{**asdict(BEGIN), "heartbeat": when, **changes}))
    written = time.time() - seconds
    os.utime(run / "status.json", (written, written))


def test_a_lease_writes_what_it_is_told(tmp_path):
    with RunFolder(tmp_path).lease() as lease:
        assert RunFolder(tmp_path).status() is None
        lease.begin(BEGIN)
        lease.update(epoch=2)
        lease.update(state=State.COMPLETED)
    written = json.loads((tmp_path / "status.json").read_text())
    assert written["state"] == "COMPLETED"
    assert written["epoch"] == 2
    assert datetime.fromisoformat(written["heartbeat"]).tzinfo is not None


def test_a_run_that_is_held_is_not_given_twice(tmp_path, holder):
    with pytest.raises(HeldError, match=f"process {holder.pid}"), RunFolder(tmp_path).lease():
        pass
    assert RunFolder(tmp_path).current().state is State.RUNNING


def test_a_dead_holder_is_known_at_once_on_the_same_host(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert RunFolder(tmp_path).status().state is State.RUNNING
    assert RunFolder(tmp_path).current().state is State.STALE
    with RunFolder(tmp_path).lease() as lease:
        lease.begin(BEGIN)


@pytest.mark.parametrize(("age", "held"), [(5.0, True), (55.0, True), (65.0, False), (-5.0, True), (-3600.0, False)])
def test_a_holder_on_another_host_is_judged_by_its_heartbeat(tmp_path, age, held):
    aged(tmp_path, age, holder={"host": "elsewhere", "pid": 1, "token": "x"})
    assert RunFolder(tmp_path).current().state is (State.RUNNING if held else State.STALE)
    if held:
        with pytest.raises(HeldError, match="elsewhere"), RunFolder(tmp_path).lease():
            pass
    else:
        with RunFolder(tmp_path).lease() as lease:
            lease.begin(BEGIN)
        assert RunFolder(tmp_path).status().holder["host"] == socket.gethostname()


def test_without_locks_the_heartbeat_alone_counts(tmp_path, monkeypatch):
    def acquire(self, *args, **kwargs):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with RunFolder(tmp_path).lease() as one:
        one.begin(BEGIN)
        with pytest.raises(HeldError), RunFolder(tmp_path).lease():
            pass
    aged(tmp_path, 65.0, holder={"host": socket.gethostname(), "pid": 1, "token": "x"})
    with RunFolder(tmp_path).lease() as two:
        two.begin(BEGIN)


def test_a_disk_that_cannot_be_written_is_no_filesystem_without_locks(tmp_path, monkeypatch):
    def acquire(self, *args, **kwargs):
        raise OSError(errno.EROFS, "read-only file system", "the lock's file")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.raises(OSError, match="read-only"), RunFolder(tmp_path).lease():
        pass


def test_a_holder_that_wakes_after_a_takeover_stops_writing(tmp_path):
    with RunFolder(tmp_path).lease() as lease:
        lease.begin(BEGIN)
        aged(tmp_path, 0, holder={"host": "elsewhere", "pid": 1, "token": "other"}, epoch=3)
        with pytest.raises(LeaseLost, match="elsewhere"):
            lease.update(epoch=1)
        assert lease.lost
    assert RunFolder(tmp_path).status().epoch == 3


def test_the_heartbeat_goes_on_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("ganexp.files.lease.BEAT_SECONDS", 0.02)
    with RunFolder(tmp_path).lease() as lease:
        lease.begin(BEGIN)
        first = RunFolder(tmp_path).status().heartbeat
        deadline = time.monotonic() + 10
        while RunFolder(tmp_path).status().heartbeat == first and time.monotonic() < deadline:
            time.sleep(0.02)
        assert RunFolder(tmp_path).status().heartbeat > first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "DANCING"}', '{"state": "RUNNING"}'])
def test_an_unreadable_status_is_none(tmp_path, content):
    (tmp_path / "status.json").write_text(content)
    assert RunFolder(tmp_path).status() is None
