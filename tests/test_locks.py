"""Locks where the filesystem has them, and where it has none."""

import errno
import fcntl
import multiprocessing
import os
import warnings
from pathlib import Path

import pytest
from filelock import Timeout

from ganexp.dataset.place import once
from ganexp.files import plan
from ganexp.files.atomic import write_text
from ganexp.files.lease import HeldError
from ganexp.files.locks import NO_LOCKS, held
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.metrics.extractor import made_once
from ganexp.types.endings import State

BEGIN = Status(State.RUNNING, 0, 5, "r" * 32, "t" * 32)


@pytest.fixture(params=sorted(set(NO_LOCKS)), ids=errno.errorcode.__getitem__)
def no_flock(request, monkeypatch):
    """A filesystem that refuses flock."""

    def flock(descriptor, operation):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_lock_opens_its_own_file_and_nothing_else(tmp_path, monkeypatch):
    opened = []
    system_open = os.open

    def noting(path, *arguments, **keywords):
        opened.append(Path(os.fsdecode(path)).name)
        return system_open(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", noting)
    with held(tmp_path / ".plan.lock") as locked_here:
        assert locked_here
        with pytest.raises(Timeout), held(tmp_path / ".plan.lock", seconds=0):
            pass
    assert set(opened) == {".plan.lock"}


def test_without_flock_the_heartbeat_counts_and_no_marker_outlives_its_holder(tmp_path, no_flock):
    def work_and_die():
        RunFolder(tmp_path).lease().__enter__().begin(BEGIN)
        os._exit(9)

    child = multiprocessing.get_context("fork").Process(target=work_and_die)
    child.start()
    child.join()
    assert child.exitcode == 9
    with pytest.raises(HeldError), RunFolder(tmp_path).lease():
        pass
    assert RunFolder(tmp_path).current().state is State.RUNNING
    long_ago = (tmp_path / "status.json").stat().st_mtime - 65
    os.utime(tmp_path / "status.json", (long_ago, long_ago))
    assert RunFolder(tmp_path).current().state is State.STALE
    with RunFolder(tmp_path).lease() as lease:
        lease.begin(BEGIN)
        assert not lease.locked


def test_without_flock_plans_data_and_classifiers_are_made_all_the_same(tmp_path, no_flock):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan.record(tmp_path, plan.Request((), "", "", (), ()), [], numerics_version=1)
        once(tmp_path / "train_images.npy", lambda path: write_text(path, "images"))
        assert made_once(tmp_path / "classifier", lambda: None, lambda: "trained") == "trained"
    assert (tmp_path / plan.FILE).exists()
    assert (tmp_path / "train_images.npy").exists()


def test_without_flock_the_half_written_files_of_others_stay(tmp_path, no_flock):
    (tmp_path / ".train_images.0123abcd.tmp.npy").touch()
    (tmp_path / ".classifier.0123abcd.tmp.json").touch()
    once(tmp_path / "train_images.npy", lambda path: write_text(path, "images"))
    made_once(tmp_path / "classifier.json", lambda: None, lambda: "trained")
    assert {".train_images.0123abcd.tmp.npy", ".classifier.0123abcd.tmp.json"} < names(tmp_path)
