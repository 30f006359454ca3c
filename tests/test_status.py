from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganexp import status
from ganexp.files import plan
from ganexp.files.plan import PlannedRun, Request
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.report import states
from ganexp.report.screen import screen, show
from ganexp.report.states import RunProgress, progress_of, seconds_left
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from synthetic import planned, write_plan, write_run


def text_of(directory: Path, width: int = 160, height: int = 50) -> str:
    return screen(directory, progress_of(directory), width, height).plain


def running(run: RunProgress, left: float) -> RunProgress:
    there = Status(State.RUNNING, 1, run.epochs, "r", run.trajectory_id, progress={"seconds_left": left})
    return replace(run, state=State.RUNNING, status=there)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    runs = [planned(number, epochs=number, trajectory=str(number)) for number in range(1, 6)]
    write_plan(tmp_path, runs)
    write_run(tmp_path, runs[0], State.COMPLETED)
    write_run(tmp_path, runs[1], State.FAILED, epoch=1, error={"type": "ValueError", "message": "one\n[red]two\n\n"})
    write_run(tmp_path, runs[2], State.RUNNING, epoch=1)
    write_run(tmp_path, runs[3], State.INTERRUPTED, epoch=2)
    return tmp_path


def test_every_run_that_was_asked_for_in_the_order_of_need(sweep: Path) -> None:
    shown = text_of(sweep)
    lines = [line for line in shown.splitlines() if "epochs=" in line]
    assert [next(each for each in State if f" {each} " in line) for line in lines] == [
        State.STALE,
        State.FAILED,
        State.INTERRUPTED,
        State.PENDING,
        State.COMPLETED,
    ]
    assert "1/2" in lines[1]
    assert "ValueError: [red]two" in lines[1]
    assert "5 runs: 1 STALE, 1 FAILED, 1 INTERRUPTED, 1 PENDING, 1 COMPLETED" in shown


def test_a_run_that_is_held_is_running(sweep: Path) -> None:
    run = planned(3, epochs=3, trajectory="3")
    folder = sweep / run.run_dir
    with RunFolder(folder).lease() as lease:
        progress = {"images_per_second": 1234.5, "seconds_left": 300.0}
        lease.begin(Status(State.RUNNING, 1, 3, run.run_id, "3", progress=progress))
        shown = text_of(sweep)
    line = next(line for line in shown.splitlines() if "RUNNING" in line and "1/3" in line)
    assert "1,234" in line or "1,235" in line
    assert "5.0 min" in line
    assert re.search(r"\b0\.\d s", line)
    assert "left" in shown.splitlines()[1]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 9), (40, 24), (20, 10), (80, 4), (10, 3)])
def test_the_summary_stays_on_top_whatever_the_terminal(tmp_path: Path, width: int, height: int) -> None:
    runs = [planned(number, epochs=4, trajectory=str(number)) for number in range(40)]
    write_plan(tmp_path, runs)
    for run in runs[:10]:
        write_run(tmp_path, run, State.COMPLETED)
    write_run(tmp_path, runs[10], State.FAILED, epoch=2, error={"type": "ValueError", "message": "long " * 40})
    lines = text_of(tmp_path, width, height).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= max(height - 1, 3)
    top = " ".join(lines[:2])
    assert ("1 FAILED, 29 PENDING, 10 COMPLETED" if width == 80 else "1 FAILED"[: width - 1]) in top
    assert any("26 % of 160 epochs"[: width - 1] in line for line in lines[:3])
    if height > 8:
        shown = sum("0/4" in line or "4/4" in line or "2/4" in line for line in lines)
        assert (lines[-1], shown) == (f"... and {40 - shown} more", len(lines) - lines.index(lines[-1 - shown]) - 1)


def test_one_line_a_run_and_settings_that_differ_look_different(tmp_path: Path) -> None:
    runs = [planned(number, epochs=4, trajectory=str(number)) for number in range(6)]
    long = "model.widths=[" + "128," * 20
    runs = [replace(run, overrides=(f"{long}{number}]",)) for number, run in enumerate(runs)]
    write_plan(tmp_path, runs)
    lines = [line for line in text_of(tmp_path, 80, 24).splitlines() if "widths=" in line]
    assert len(lines) == len(set(lines)) == 6


def test_without_a_terminal_a_line_for_each_change_and_every_run_at_the_end(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    def go_on(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > 1:
            for number in (3, 4, 5):
                write_run(sweep, planned(number, epochs=number, trajectory=str(number)), State.COMPLETED)

    monkeypatch.setattr(status.time, "sleep", go_on)
    lines = CliRunner().invoke(app(), [str(sweep), "--watch"]).output.splitlines()
    assert len(naps) == 2
    assert [line for line in lines if line.startswith(str(sweep))] == [lines[0], lines[-1]]
    assert "1 STALE, 1 FAILED" in lines[0] and "1 FAILED, 4 COMPLETED" in lines[-1]
    assert sum("epochs=" in line for line in lines) == 5


def test_a_single_run(sweep: Path) -> None:
    shown = text_of(sweep / planned(1).run_dir)
    assert "1 run: 1 COMPLETED" in shown
    assert planned(1).run_dir in shown


def test_time_left_counts_each_trajectory_once() -> None:
    runs = [
        RunProgress("a", "", "1", 11, State.PENDING, None),
        RunProgress("b", "", "1", 5, State.PENDING, None),
        RunProgress("c", "", "2", 21, State.PENDING, None),
        RunProgress("d", "", "3", 9, State.COMPLETED, None),
    ]
    assert seconds_left(runs) is None
    runs[0] = running(runs[0], left=100.0)  # 10 epochs left, 10 seconds each
    assert seconds_left(runs) == 10.0 * (10 + 21)
    runs[2] = running(runs[2], left=200.0)
    assert seconds_left(runs) == 10.0 * (10 + 20) / 2


def test_watching_ends_when_everything_is_over(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps = []

    def finish(seconds: float) -> None:
        naps.append(seconds)
        for number in (3, 4, 5):
            write_run(sweep, planned(number, epochs=number, trajectory=str(number)), State.COMPLETED)

    monkeypatch.setattr(status.time, "sleep", finish)
    done = CliRunner().invoke(app(), [str(sweep), "--watch"])
    assert done.exit_code == 0, done.output
    assert len(naps) == 1
    assert "1 FAILED, 4 COMPLETED" in " ".join(done.output.split())


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="neither"):
        progress_of(tmp_path)
    done = CliRunner().invoke(app(), [str(tmp_path)])
    assert done.exit_code == 2


def test_a_link_out_of_the_directory_is_not_followed(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (sweep / "plan.json").unlink()
    outside = tmp_path_factory.mktemp("outside")
    write_run(outside, planned(9), State.COMPLETED)
    (sweep / "link").symlink_to(outside / planned(9).run_dir)
    assert {run.name for run in progress_of(sweep)} == {planned(number).run_dir for number in (1, 2, 3, 4)}


def app() -> object:
    import typer

    made = typer.Typer()
    made.command()(status.main)
    return made


def test_a_stale_run_tells_how_long_it_has_been_silent(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "heartbeat_age", lambda folder: 7200.0)
    assert "2.0 h" in next(line for line in text_of(sweep).splitlines() if " STALE " in line and "1/3" in line)
    assert State.STALE.value == "STALE"


def test_a_plan_of_many_runs_is_shown_at_once(tmp_path, capsys):
    runs = [PlannedRun(f"{n:032x}", f"{n:032x}", f"run-{n:08x}", 5, (f"seed={n}",), {"seed": n}) for n in range(20_000)]
    request = Request(("seed=range(20000)",), "", "", (), ("seed",))
    plan.record(tmp_path, request, runs, numerics_version=1)
    started = time.process_time()
    show(tmp_path, progress_of(tmp_path))
    assert time.process_time() - started < 6.0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20_002
    assert lines[1].split() == ["00000000", "seed=0", "PENDING", "0/5"]
    assert lines[-1] == f"{tmp_path}: 20000 runs: 20000 PENDING"
