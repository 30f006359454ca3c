from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ganexp.dataset import arrays, digits, image_folder, place
from ganexp.files import data_root
from ganexp.types.errors import DataError


def test_root_is_absolute_and_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data_root.absolute_root(Path("data")) == tmp_path / "data"
    assert data_root.absolute_root(Path("~/data")) == tmp_path / "home" / "data"
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"dataset.root: expected a folder, got the file .*file"):
        data_root.absolute_root(Path("file"))


def test_stand_in_is_keyed_by_the_roots_path(tmp_path: Path, cache_home: Path) -> None:
    first, second = place.cache_root(tmp_path / "a"), place.cache_root(tmp_path / "b")
    assert first is not None and second is not None
    assert first.parent == second.parent == cache_home
    assert first != second
    assert first == place.cache_root(tmp_path / "a")


def test_first_folder_that_can_be_written_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "prepared").touch()  # a file where a folder is needed: not even a superuser can write there
    homes = (tmp_path / "first", tmp_path / "second")
    assert place.in_first_writable(homes, "x", lambda home: home) == tmp_path / "second"
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "first/prepared/x cannot be written" in messages[0]
    assert messages[0].endswith(f"go to {tmp_path}/second/prepared/x")


def test_full_disk_moves_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def work(home: Path) -> str:
        if home.name == "first":
            raise OSError(28, "No space left on device")
        return home.name

    assert place.in_first_writable((tmp_path / "first", tmp_path / "second"), "x", work) == "second"
    assert "No space left on device" in caplog.text


def test_refused_if_no_folder_can_be_written(tmp_path: Path, unwritable: Callable[[Path], None]) -> None:
    unwritable(tmp_path)
    with pytest.raises(DataError, match=r"can be written, got none: .*a/prepared/x .*Read-only.*b/prepared/x"):
        place.in_first_writable((tmp_path / "a", tmp_path / "b"), "x", lambda home: home)


def test_once_is_done_once_by_many_threads(tmp_path: Path) -> None:
    calls: list[Path] = []

    def write(path: Path) -> None:
        calls.append(path)
        time.sleep(0.05)
        path.touch()

    target = tmp_path / "x.npy"
    threads = [threading.Thread(target=place.once, args=(target, write)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [target]


def test_leftovers_of_a_killed_writer_go(tmp_path: Path) -> None:
    for name in (".x.1234abcd.tmp.npy", ".xy.1234abcd.tmp.npy"):
        (tmp_path / name).touch()
    place.once(tmp_path / "x.npy", lambda path: path.touch())
    assert {path.name for path in tmp_path.iterdir()} == {"x.npy", ".xy.1234abcd.tmp.npy", place.LOCK}


def test_lock_of_a_killed_holder_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ganexp")
    code = (
        "import sys, time; from pathlib import Path; from ganexp.dataset.place import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
    killer = threading.Timer(0.2, holder.kill)
    killer.start()
    with place.locked(tmp_path):
        assert holder.wait(5) == -9
    killer.join()
    assert f"waiting for another process that works on {tmp_path}" in caplog.text


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without HOME, of a user who has no name."""
    import pwd

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("nobody")
def test_no_home_is_needed_where_the_root_can_be_written(tmp_path: Path) -> None:
    assert digits(root=tmp_path).name == "digits"
    assert digits(root=tmp_path, image_size=9).train.shape[2:] == (9, 9)


@pytest.mark.usefixtures("nobody")
def test_where_a_home_is_needed_one_line_says_what_to_set(tmp_path: Path, unwritable: Callable[[Path], None]) -> None:
    with pytest.raises(DataError, match=r"dataset.root: expected a path without ~.*set HOME.*got ~/x"):
        digits(root=Path("~/x"))
    with pytest.raises(DataError, match=r"dataset.images: expected a path without ~.*set HOME.*got ~/x"):
        arrays(root=tmp_path, images=Path("~/x"))
    with pytest.raises(DataError, match=r"dataset.path: expected a path without ~.*set HOME.*got ~/x"):
        image_folder(root=tmp_path, path=Path("~/x"))
    unwritable(tmp_path)
    with pytest.raises(DataError, match=r"no cache directory is known: set HOME, XDG_CACHE_HOME or dataset.root"):
        digits(root=tmp_path / "data")


def test_a_prepared_root_asks_for_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits(root=tmp_path)
    monkeypatch.setattr(place, "user_cache", lambda: pytest.fail("asked for the user's cache directory"))
    digits(root=tmp_path, image_size=9)


def test_a_root_that_is_not_named_by_its_user_is_read_and_not_written(
    tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    digits(root=tmp_path / "theirs", image_size=8)
    before = sorted((tmp_path / "theirs").rglob("*"))
    monkeypatch.setenv("GANEXP_DATA", str(tmp_path / "mine"))
    with data_root.only_own_root():
        data = digits(root=tmp_path / "theirs", image_size=10)
        assert sorted((tmp_path / "theirs").rglob("*")) == before
        assert data.cache_dir.is_relative_to(cache_home)
        assert f"GANEXP_DATA={tmp_path}/theirs" in caplog.text and str(cache_home) in caplog.text
        assert digits(root=tmp_path / "mine").cache_dir.is_relative_to(tmp_path / "mine")
        assert digits(root=tmp_path / "new").cache_dir.is_relative_to(cache_home)
        assert not (tmp_path / "new").exists()
    with data_root.only_own_root(tmp_path / "other"):
        assert digits(root=tmp_path / "other").cache_dir.is_relative_to(tmp_path / "other")
    assert data_root.WRITABLE not in os.environ
