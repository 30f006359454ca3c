"""One place, named in many ways: what each command makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganexp.__main__ import register
from ganexp.cli import app_of, main_of
from ganexp.report.runs import read_sweep
from ganexp.trainer import run
from ganexp.types.endings import State
from helpers import TINY, make_spec

OUT = {
    "sample": ("--num", "2", "--out", "drawn.npy", "--force"),
    "export": ("--out", "exported", "--format", "safetensors"),
}
RUNS = ("run", "run/", "link", "link/", "./folder/../run", "ABSOLUTE")  # ways to name a run directory
NAMED = "sweeps and runs here: "

# command -> what it says of a run directory, a folder of runs, the folder around it, and a file
TABLE = {
    "status": ("COMPLETED  1/1", "COMPLETED  1/1", "1 COMPLETED", "expected a folder, got a file"),
    "report": ("1 runs (1 COMPLETED)", "1 runs (1 COMPLETED)", "1 runs (1 COMPLETED)", "expected a folder, got a file"),
    "sample": (
        "2 images of shape",
        "expected a run directory",
        "expected a run directory",
        "expected a folder, got a file",
    ),
    "export": ("loaded again", "expected a run directory", "expected a run directory", "expected a folder, got a file"),
    "evaluate": ("configuration measures nothing", None, None, "expected a folder, got a file"),
    "clean": ("dropped", "dropped", "dropped", "expected a folder, got a file"),
    "confirm": (
        "at least one ranked setting",
        "at least one ranked",
        "at least one ranked",
        "expected a folder, got a file",
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, data_root):
    """run/ (a finished run), link -> run, folder/ with the same run in it, file."""
    top = tmp_path_factory.mktemp("place")
    asked = make_spec(top, *TINY, "trainer.epochs=1", f"dataset.root={data_root}")
    done = run.execute(asked).directory
    (top / "folder").mkdir()
    shutil.copytree(done, top / "folder" / done.name)
    done.rename(top / "run")
    (top / "link").symlink_to("run")
    (top / "file").write_text("a file")
    return top


def said(command: str, path: str) -> tuple[int, str]:
    register()
    done = CliRunner().invoke(app_of(main_of(command)), [path, *OUT.get(command, ())])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("command", TABLE)
def test_a_run_is_the_same_run_however_it_is_named(command, place, monkeypatch):
    monkeypatch.chdir(place)
    words = " ".join(TABLE[command][0].split())
    for path in RUNS:
        status, output = said(command, str(place / "run") if path == "ABSOLUTE" else path)
        assert words in output and "PENDING" not in output, (path, output)
        assert status == (2 if command in ("confirm", "evaluate") else 0), (path, output)


@pytest.mark.parametrize("command", TABLE)
def test_folders_and_files(command, place, monkeypatch):
    monkeypatch.chdir(place)
    for path, words in zip(("folder", "file"), (TABLE[command][1], TABLE[command][3]), strict=True):
        if words is not None:
            status, output = said(command, path)
            assert " ".join(words.split()) in output, (path, output)
            assert status == 0 or (status == 2 and ("expected" in output))
            assert status == 0 or NAMED in output or command == "confirm"


def test_a_folder_of_sweeps_names_them(place, tmp_path, monkeypatch):
    shutil.copytree(place / "folder", tmp_path / "many" / "one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").symlink_to(tmp_path / "many" / "one")
    for command in ("status", "report", "clean", "confirm"):
        status, output = said(command, "many")
        assert status == 2 and "expected a sweep" in output, output
    assert [each.state for each in read_sweep(Path("other")).runs] == [State.COMPLETED]
