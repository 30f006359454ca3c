from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ganexp import clean
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.types.endings import State
from ganexp.types.terminal import in_units
from synthetic import planned, write_plan, write_run

RUNS = {
    "alone": planned(1, epochs=1, trajectory="done"),
    "longer": planned(2, epochs=2, trajectory="done"),
    "short": planned(3, epochs=1, trajectory="going on"),
    "pending": planned(4, epochs=9, trajectory="going on"),
    "failed": planned(5, epochs=2, trajectory="failed"),
    "running": planned(6, epochs=2, trajectory="running"),
}


def checkpoints(sweep: Path, name: str) -> set[str]:
    folder = sweep / RUNS[name].run_dir / "checkpoints"
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    write_plan(tmp_path, list(RUNS.values()))
    for name, current in {
        "alone": State.COMPLETED,
        "longer": State.COMPLETED,
        "short": State.COMPLETED,
        "failed": State.FAILED,
        "running": State.RUNNING,
    }.items():
        folder = write_run(tmp_path, RUNS[name], current) / "checkpoints"
        folder.mkdir()
        for kind in ("state_00000002", "state_00000004", "generator_0002"):
            (folder / f"{kind}.safetensors").write_bytes(b"x" * 1000)
        (folder / ".state_00000006.0123abcd.tmp.safetensors").write_bytes(b"x" * 500)
    return tmp_path


def test_states_of_finished_trajectories_go_and_generators_stay(sweep: Path) -> None:
    done = clean.clean(sweep)
    assert checkpoints(sweep, "alone") == checkpoints(sweep, "longer") == {"generator_0002.safetensors"}
    kept = {"generator_0002.safetensors", "state_00000002.safetensors", "state_00000004.safetensors"}
    assert checkpoints(sweep, "short") == checkpoints(sweep, "failed") == kept
    assert done.kept_for == (RUNS["pending"].run_dir,)
    assert done.size == 4 * 1000 + 5 * 500  # the running one's holder is gone, so its half-written file goes too
    assert clean.clean(sweep).size == 0


def test_a_run_that_is_being_worked_on_is_not_touched(sweep: Path) -> None:
    run = RUNS["running"]
    before = checkpoints(sweep, "running")
    with RunFolder(sweep / run.run_dir).lease() as lease:
        lease.begin(Status(State.RUNNING, 1, 2, run.run_id, run.trajectory_id))
        clean.clean(sweep)
    assert checkpoints(sweep, "running") == before
    assert any(name.startswith(".") for name in before)


def test_a_dry_run_says_the_same_and_does_nothing(sweep: Path) -> None:
    before = {name: checkpoints(sweep, name) for name in RUNS if name != "pending"}
    app = typer.Typer()
    app.command()(clean.main)
    dry = CliRunner().invoke(app, [str(sweep), "--dry-run"])
    assert dry.exit_code == 0
    assert "would drop 9 files, 6.5 kB" in dry.output
    assert RUNS["pending"].run_dir in dry.output
    assert {name: checkpoints(sweep, name) for name in before} == before
    assert "dropped 9 files, 6.5 kB" in CliRunner().invoke(app, [str(sweep)]).output


def test_a_single_run_directory(sweep: Path) -> None:
    assert clean.clean(sweep / RUNS["alone"].run_dir).size == 2 * 1000 + 500
    assert checkpoints(sweep, "alone") == {"generator_0002.safetensors"}


def test_links_are_not_followed(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "run"
    place = sweep / RUNS["alone"].run_dir
    place.rename(outside)
    place.symlink_to(outside)
    clean.clean(sweep)
    assert (outside / "checkpoints" / "state_00000002.safetensors").exists()


def test_sizes_in_units() -> None:
    told = [in_units(size) for size in (0, 999, 1500, 2.5e6, 3e9)]
    assert told == ["0 B", "999 B", "1.5 kB", "2.5 MB", "3.0 GB"]
