"""Files of the user's, beside ganexp's own: what commands write, and what they leave."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from finished import EFFECTS, Recipe, build
from typer.testing import CliRunner

from ganexp import clean
from ganexp.files import atomic, checkpoint, owned, plan
from ganexp.files.run_folder import RunFolder
from ganexp.report import try_report, write_report
from ganexp.report.__main__ import main as report
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from synthetic import planned, write_plan, write_run

pytestmark = pytest.mark.usefixtures("no_figures")
TWO = {"optim.lr": (1e-4, 1e-5)}
MANIFEST = ".ganexp-files.json"
OWN = ("summary.csv", "report.md", "report.html")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep"
    build(folder, Recipe(TWO, range(3), EFFECTS, pictures=True))
    return folder


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


def run(*arguments: str) -> tuple[int, str]:
    import typer

    app = typer.Typer()
    app.command()(report)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".ganexp" not in path.name)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", OWN)
def test_a_report_elsewhere_refuses_to_replace_the_users_files(sweep: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "thesis"
    (out / "figures").mkdir(parents=True)
    for each in (name, "figures/photo.png", "figures/plot.svg"):
        (out / each).write_text("mine")
    before = contents(out)
    status, told = run(str(sweep), "--out", str(out))
    assert status == 2 and str(out / name) in told.replace("\n", "") and "--force" in told
    assert contents(out) == before
    assert run(str(sweep), "--out", str(out), "--force")[0] == 0
    after = contents(out)
    assert after[name] != b"mine" and after["figures/photo.png"] == after["figures/plot.svg"] == b"mine"
    assert run(str(sweep), "--out", str(out))[0] == 0


def test_two_sweeps_leave_the_users_files_in_their_common_folder(sweep: Path, tmp_path: Path) -> None:
    build(tmp_path / "other", Recipe({"loss": ("hinge",)}, range(3)))
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(DirectoryError, match=r"report\.md"):
        write_report([sweep, tmp_path / "other"])
    assert (tmp_path / "report.md").read_text() == "mine" and not (tmp_path / "report.html").exists()


def test_a_changed_file_is_the_users_and_the_end_of_a_sweep_writes_beside_it(
    sweep: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_report([sweep])
    page = sweep / "report.html"
    page.write_text(page.read_text() + "<!-- my note -->")
    mine = page.read_text()
    with pytest.raises(DirectoryError, match=r"report\.html"):
        write_report([sweep])
    for _ in range(2):
        assert try_report([sweep]) == sweep / "report-2.html"
        assert page.read_text() == mine and "report.html" in caplog.text
        assert "(figures-2/" in (sweep / "report-2.md").read_text()
        assert list((sweep / "figures-2").iterdir()) and not (sweep / "report-3.html").exists()
    page.unlink()
    assert try_report([sweep]) == page
    assert not (sweep / "report-2.html").exists() and not list((sweep / "figures-2").iterdir())


def test_the_summary_at_the_end_of_a_sweep_goes_beside_the_users(sweep: Path) -> None:
    write_report([sweep])
    (sweep / "summary.csv").write_text("mine")
    assert try_report([sweep]) == sweep / "report.html"
    assert (sweep / "summary.csv").read_text() == "mine" and (sweep / "summary-2.csv").exists()


def test_without_a_manifest_the_names_of_the_first_version_are_its_own(sweep: Path) -> None:
    figures = sweep / "figures"
    figures.mkdir()
    for name in (*OWN, "figures/r9-curves.svg", "figures/r0-pictures-40.png"):
        (sweep / name).write_text("of 0.1.0")
    for name in ("figures/plot.svg", "figures/photo.png", "figures/r0-mine.svg"):
        (sweep / name).write_text("mine")
    write_report([sweep])
    assert {path.name for path in figures.iterdir() if path.read_text(errors="ignore") == "mine"} == {
        "plot.svg",
        "photo.png",
        "r0-mine.svg",
    }
    assert not (figures / "r9-curves.svg").exists() and not (figures / "r0-pictures-40.png").exists()
    write_report([sweep])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": {"report.md": [{"size": 1e999}]}}'])
def test_a_damaged_manifest_makes_everything_the_users(sweep: Path, text: str) -> None:
    write_report([sweep])
    (sweep / MANIFEST).write_text(text)
    (sweep / "report.md").write_text("mine")
    with pytest.raises(DirectoryError, match=r"report\.md"):
        write_report([sweep])
    assert (sweep / "report.md").read_text() == "mine"
    write_report([sweep], force=True)
    write_report([sweep])


def test_a_strangers_manifest_removes_nothing_outside(sweep: Path, tmp_path: Path) -> None:
    write_report([sweep])
    out = tmp_path / "mine.svg"
    out.write_text("mine")
    (sweep / "figures" / "link").symlink_to(tmp_path)
    manifest = json.loads((sweep / MANIFEST).read_text())
    own = [{"size": size, "sha256": digest} for size, digest in [owned_print(out)]]
    names = ("figures/../../mine.svg", str(out), "figures/link/mine.svg", "../mine.svg", "figures-2/../../mine.svg")
    manifest["files"] |= dict.fromkeys(names, own)
    (sweep / MANIFEST).write_text(json.dumps(manifest))
    write_report([sweep])
    clean.clean(sweep)
    assert out.read_text() == "mine"


def owned_print(path: Path) -> tuple[int, str]:
    import hashlib

    return path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("writes", range(1, 6))
def test_a_kill_between_two_writes_blocks_no_report_and_loses_nothing(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    write_report([sweep])
    (sweep / "summary.csv").unlink()
    (sweep / "mine.txt").write_text("mine")
    for path in sweep.glob("*/result.json"):
        path.write_text(path.read_text().replace('"cfd": ', '"cfd": 1'))
    left = [writes]
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_report([sweep])
    monkeypatch.undo()
    write_report([sweep])
    assert (sweep / "mine.txt").read_text() == "mine"


def test_what_was_there_before_the_first_sweep_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    owned.claim(tmp_path, (), "")
    runs = [planned(number, seed=number) for number in range(2)]
    write_plan(tmp_path, runs, ["seed"])
    for each in runs:
        write_run(tmp_path, each, State.COMPLETED)
    assert try_report([tmp_path]) == tmp_path / "report-2.html"
    assert (tmp_path / "report.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["multirun.yaml", "trials.json", "study.db"])
def test_a_sweep_refuses_to_begin_over_a_users_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DirectoryError, match=name):
        owned.claim(tmp_path, ("trials.json", "study.db"), "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_presets_of_best_are_the_users_once_changed(sweep: Path) -> None:
    assert run(str(sweep), "--best")[0] == 0
    preset = next((sweep / "best" / "experiment").glob("*.yaml"))
    preset.write_text("mine")
    status, told = run(str(sweep), "--best")
    assert status == 2 and preset.name in told and preset.read_text() == "mine"
    assert run(str(sweep), "--best", "--force")[0] == 0
    assert preset.read_text() != "mine" and run(str(sweep), "--best")[0] == 0


@pytest.mark.parametrize("name", ["status.json", ".hydra/config.yaml", "samples/epoch_0001.png", "metrics.csv"])
def test_a_run_refuses_to_begin_over_a_users_file_alone(tmp_path: Path, name: str) -> None:
    for each in ("samples/photo.png", "checkpoints/state_best.safetensors"):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text("mine")
    RunFolder(tmp_path).claim("run", {})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(DirectoryError, match=name):
        RunFolder(tmp_path).claim("run", {})


def test_temporary_files_are_told_by_the_names_that_they_become(tmp_path: Path) -> None:
    each = planned(1)
    write_plan(tmp_path, [each])
    folder = write_run(tmp_path, each, State.COMPLETED)
    (folder / "checkpoints").mkdir()
    theirs = [".tmpbackup", ".notes.deadbeef.tmp", ".notes.deadbeef.tmp.csv", "state_best.safetensors", ".tmpA1b2C3"]
    theirs = [f"{place}{name}" for place in ("", f"{each.run_dir}/", f"{each.run_dir}/checkpoints/") for name in theirs]
    ours = [".summary.deadbeef.tmp.csv", ".plan.0123abcd.tmp.json", ".report.0123abcd.tmp.html"]
    ours += [f"{each.run_dir}/.metrics.0123abcd.tmp.csv", f"{each.run_dir}/.hydra/.config.0123abcd.tmp.yaml"]
    for name in (*theirs, *ours):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert {*RunFolder(folder).left_over_files()} == {tmp_path / name for name in ours[3:]}
    assert not RunFolder(folder).state_checkpoints()
    RunFolder(folder).prune_states(1, 5)
    done = clean.clean(tmp_path)
    assert {*done.files} == {tmp_path / name for name in ours}
    assert all((tmp_path / name).exists() for name in theirs)


def test_a_start_drops_the_temporary_files_of_a_killed_launcher(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1)])
    path = tmp_path / ".plan.0123abcd.tmp.json"
    path.touch()
    with owned.held(tmp_path / owned.PLAN_LOCK):
        assert owned.left_over_files(tmp_path) == [path]
    owned.claim(tmp_path, (), "")
    assert not path.exists() and plan.read(tmp_path) is not None


@pytest.mark.usefixtures("umask")
def test_files_get_the_modes_that_the_umask_gives(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x" / "state.safetensors", {"a": torch.zeros(2)}, {})
    atomic.write_text(tmp_path / "x" / "text", "text")
    with atomic.replacing(tmp_path / "x" / "moved") as temporary:
        other = tmp_path / "other"
        other.touch(mode=0o600)
        other.replace(temporary)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "x").iterdir()} == {0o664}
