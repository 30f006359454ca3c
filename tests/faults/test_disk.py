"""A full disk, one that cannot be written, and a sweep directory that vanishes, under real sweeps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from children import ASKED, SMALL, SWEEP, Child, full_at_write, move_at_write, run
from compare import content
from rounds import ROUNDS
from undisturbed import Undisturbed, undisturbed_sweep

from ganexp import load_summary
from ganexp.files.run_folder import RunFolder
from ganexp.types.endings import State

Mount = Callable[[str], None]

NO_SPACE = "No space left on device"
RETRY = "sweep.retry=failed"


@pytest.fixture
def undisturbed(data_root: Path) -> Undisturbed:
    return undisturbed_sweep(data_root)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own in memory, whose options `remount` changes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def states(sweep: Path) -> dict[str, int]:
    return {str(key): int(n) for key, n in load_summary(sweep)["state"].value_counts().items() if n}


def test_a_run_that_does_not_fit_says_so_and_goes_on_once_there_is_room(
    disk: Path, tmp_path: Path, data_root: Path
) -> None:
    asked = (*SMALL, "trainer.epochs=4", "metrics=none", "hydra.run.dir=run")
    run(tmp_path, data_root, *asked)
    remount(disk, "size=700k")  # room for one full checkpoint and not for the next
    told = run(disk, data_root, *asked, status=1)
    assert NO_SPACE in told and "FAILED: " in told
    assert "Traceback" not in told
    status = RunFolder(disk / "run").status()
    assert status is not None and status.state is State.FAILED
    assert status.error is not None and NO_SPACE in status.error["message"]
    remount(disk, "size=8m")
    run(disk, data_root, *asked, RETRY)
    assert {k: v for k, v in content(disk).items() if "/run/" in k} == {
        k: v for k, v in content(tmp_path).items() if "/run/" in k
    }


def test_of_two_jobs_the_one_that_fits_is_finished(disk: Path, data_root: Path) -> None:
    asked = (*SWEEP, "trainer.epochs=2", "model.generator_widths=[16],[600]")
    told = run(disk, data_root, *asked, status=1)
    assert NO_SPACE in told and "Traceback" not in told
    assert states(disk / "sweep") == {"FAILED": 1, "COMPLETED": 1}
    table = load_summary(disk / "sweep").set_index("state")
    assert NO_SPACE in str(table.loc["FAILED", "error"])
    assert table.loc["COMPLETED", "cfd"] > 0
    remount(disk, "size=40m")
    run(disk, data_root, *asked, RETRY)
    assert states(disk / "sweep") == {"COMPLETED": 2}


@pytest.mark.parametrize("number", range(2 * ROUNDS))
def test_a_disk_that_is_full_from_any_moment_on_loses_nothing(
    number: int, undisturbed: Undisturbed, tmp_path: Path, data_root: Path
) -> None:
    moment = undisturbed.writes * (2 * number + 1) // (4 * ROUNDS)
    child = Child(tmp_path, data_root, *ASKED, prepare=partial(full_at_write, moment, f"{tmp_path}/sweep/"))
    status = child.wait(240)
    assert status in ((0, 1) if "[1/1]" in child.output else (2,)), child.output  # refused before any work
    assert NO_SPACE in child.output
    assert "Traceback" not in child.output
    states = ("COMPLETED", "FAILED", "PENDING")
    assert status == 2 or any(f" {state}" in child.output for state in states), "how each run stands"
    finished = [path for path in tmp_path.glob("sweep/*/status.json") if '"COMPLETED"' in path.read_text()]
    before = {path: content_of(path.parent) for path in finished}
    run(tmp_path, data_root, *ASKED, RETRY)
    assert content(tmp_path / "sweep") == undisturbed.content
    assert {path: content_of(path.parent) for path in finished} == before


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", range(2 * ROUNDS))
def test_a_sweep_directory_that_vanishes_is_made_again(
    number: int, undisturbed: Undisturbed, tmp_path: Path, data_root: Path
) -> None:
    moment, sweep, gone = undisturbed.writes * (2 * number + 1) // (4 * ROUNDS), "sweep", tmp_path / "gone"
    moving = partial(move_at_write, moment, f"{tmp_path}/sweep/", tmp_path / sweep, gone)
    child = Child(tmp_path, data_root, *ASKED, prepare=moving)
    status = child.wait(240)
    assert status in (0, 1, 2), child.output
    assert "Traceback" not in child.output
    assert gone.exists()
    run(tmp_path, data_root, *ASKED, RETRY)
    assert content(tmp_path / sweep) == undisturbed.content


def test_the_other_jobs_of_a_sweep_whose_directory_vanishes_go_on(tmp_path: Path, data_root: Path) -> None:
    asked = (*SWEEP, "trainer.epochs=2", "seed=0,1", "metrics=none")
    moving = partial(move_at_write, 2, "/.metrics.", tmp_path / "sweep", tmp_path / "gone")
    child = Child(tmp_path, data_root, *asked, prepare=moving)
    assert child.wait(240) == 1, child.output
    assert "plan.json was removed while the sweep ran" in child.output
    assert "that it failed cannot be written either" in child.output
    error = load_summary(tmp_path / "sweep").set_index("state").loc["FAILED", "error"]
    assert "No such file or directory" in error and "status" not in error, "the first thing that went wrong"
    assert states(tmp_path / "sweep") == {"FAILED": 1, "COMPLETED": 1}


def test_what_lies_on_a_disk_that_cannot_be_written_can_be_read(
    disk: Path, undisturbed: Undisturbed, tmp_path: Path, data_root: Path
) -> None:
    shutil.copytree(undisturbed.folder / "sweep", disk / "sweep")
    one = next(path.parent for path in sorted((disk / "sweep").glob("*/status.json")))
    (tmp_path / "out").mkdir()
    remount(disk, "ro")
    here, read_only = tmp_path / "out", "Read-only file system"
    sweep = str(disk / "sweep")
    assert "2 runs: 2 COMPLETED" in run(here, data_root, sweep, module="ganexp.status")
    run(here, data_root, str(one), "--out", "x.npy", module="ganexp.sample")
    assert np.load(here / "x.npy").shape == (64, 1, 28, 28)
    run(here, data_root, sweep, "--out", "report", module="ganexp.report")
    assert (here / "report" / "report.html").exists()
    refusals = {
        "report": run(here, data_root, sweep, module="ganexp.report", status=1),
        "evaluate": run(here, data_root, str(one), module="ganexp.evaluate", status=1),
        "clean": run(here, data_root, sweep, module="ganexp.clean", status=1),
        "sweep": run(here, data_root, *ASKED, f"hydra.sweep.dir={sweep}", status=2),
        "run": run(here, data_root, *SMALL, f"hydra.run.dir={disk / 'new'}", status=2),
    }
    for what, told in refusals.items():
        assert read_only in told and "Traceback" not in told, (what, told)
        assert len(told.strip().splitlines()) <= 2, (what, told)


def test_a_data_root_that_cannot_be_written_is_stood_in_for(disk: Path, tmp_path: Path) -> None:
    remount(disk, "ro")
    told = run(tmp_path, disk, *SMALL, "trainer.epochs=1", "metrics=none", "hydra.run.dir=run", status=2)
    assert "Read-only file system" in told and "Traceback" not in told  # the user's cache lies below this root


def test_a_run_directory_that_vanishes_is_not_made_again_without_its_record(tmp_path: Path, data_root: Path) -> None:
    moving = partial(move_at_write, 1, "/run/checkpoints", tmp_path / "run", tmp_path / "gone")
    asked = (*SMALL, "trainer.epochs=2", "metrics=none", "hydra.run.dir=run")
    child = Child(tmp_path, data_root, *asked, prepare=moving)
    assert child.wait(240) == 1, child.output
    assert "No such file or directory" in child.output and "Traceback" not in child.output
    assert not (tmp_path / "run").exists()
