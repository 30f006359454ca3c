"""What a command says of a folder that does not exist, or is neither a sweep nor a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganexp.config.reopen import open_config, run_dirs
from ganexp.files.found import LISTED, directories, expect_folder, instead_of
from ganexp.report.runs import read_sweep
from ganexp.report.states import progress_of
from ganexp.status import overview
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from synthetic import planned, write_plan, write_run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sweep of two runs, one of them done, and a single run."""
    monkeypatch.chdir(tmp_path)
    sweep = tmp_path / "multirun" / "mnist-grid"
    runs = [planned(number, epochs=number) for number in (1, 2)]
    write_plan(sweep, runs)
    write_run(sweep, runs[0], State.COMPLETED)
    write_run(tmp_path / "outputs", planned(3), State.FAILED)
    os.utime(sweep / "plan.json", (1, 1))
    return tmp_path


RUN = Path("outputs") / planned(3).run_dir


def test_the_newest_first_and_no_links(here: Path) -> None:
    (here / "linked").symlink_to(here / "multirun" / "mnist-grid")
    assert directories(Path()) == [RUN, Path("multirun/mnist-grid")]


@pytest.mark.parametrize("call", [progress_of, read_sweep, run_dirs, lambda path: open_config(path, ()), expect_folder])
def test_a_folder_that_does_not_exist(here: Path, call) -> None:
    with pytest.raises(DirectoryError) as error:
        call(Path("multirun/mnist-gird"))
    message = str(error.value)
    assert message.startswith("multirun/mnist-gird: expected a folder, got a path that does not exist; ")
    assert "multirun/mnist-grid" in message
    assert str(RUN) in message
    assert message.endswith("Did you mean 'multirun/mnist-grid'?")


def test_a_file_where_a_folder_should_be(here: Path) -> None:
    (here / "note.txt").write_text("x")
    with pytest.raises(DirectoryError, match=r"note.txt: expected a folder, got a file; sweeps and runs here: "):
        progress_of(Path("note.txt"))


@pytest.mark.parametrize("call", [progress_of, read_sweep, run_dirs, lambda path: open_config(path, ())])
def test_a_folder_of_something_else_names_what_is_in_it_first(here: Path, call) -> None:
    with pytest.raises(DirectoryError, match="sweeps and runs here: multirun/mnist-grid, "):
        call(Path("multirun"))


def test_a_sweep_where_a_run_is_expected_names_its_runs(here: Path) -> None:
    named = f"expected a run directory.*; that is a sweep, whose runs are multirun/mnist-grid/{planned(1).run_dir}$"
    with pytest.raises(DirectoryError, match=named):
        open_config(Path("multirun/mnist-grid"), ())


def test_at_most_so_many_are_named(here: Path) -> None:
    for number in range(10, 20):
        write_run(here / "outputs", planned(number), State.COMPLETED)
    assert f"and {12 - LISTED} more" in instead_of(Path("x"))


def test_nothing_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert instead_of(Path("x")) == "; there is no sweep or run here (in ., outputs, multirun)"
    assert [line[:23] for line in overview(Path())] == ["no sweep or run here (i"]


def test_the_overview_has_a_line_for_each(here: Path) -> None:
    (here / "broken").mkdir()
    (here / "broken" / "plan.json").write_text("{")
    lines = {line.split()[0]: line.partition(" ")[2].strip() for line in overview(Path())}
    assert lines[str(RUN)] == "1 run: 1 FAILED"
    assert lines["multirun/mnist-grid"] == "2 runs: 1 PENDING, 1 COMPLETED"
    assert lines["broken"].startswith("not readable: ")
