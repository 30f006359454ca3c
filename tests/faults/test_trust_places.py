"""Nothing outside the directory that a command was given is read into it, written, or removed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from strangers import canary, command, edit, every_command, honest, only, sweep

from ganexp.config.reopen import open_to_work
from ganexp.dataset import digits
from ganexp.files import plan
from ganexp.sweep.search.trials import LAUNCHER, LAUNCHERS, Trials
from ganexp.types.endings import State
from ganexp.types.errors import DataError, DirectoryError
from helpers import TINY
from synthetic import planned, write_plan, write_run

__all__ = ["canary", "honest", "only", "sweep"]

PRIVATE = b"-----BEGIN PRIVATE KEY-----"


@pytest.fixture
def outside(tmp_path: Path, honest: Path) -> Path:
    """Folders of somebody else, with files of every name that ganexp reads, writes or removes."""
    place = tmp_path / "outside"
    for folder in ("run", "run/checkpoints", "run/samples", "run/.hydra", "run/evaluations", "run/experiment"):
        (place / folder).mkdir(parents=True)
        for name in ("status.json", "metrics.csv", "result.json", "plan.json", "config.yaml", "hydra.yaml", "study.db"):
            (place / folder / name).write_bytes(PRIVATE)
        for name in ("state_00000001", "state_00000002", "state_00000003", "generator_0001"):
            (place / folder / f"{name}.safetensors").write_bytes(PRIVATE)
        (place / folder / ".state_00000009.0123abcd.tmp.safetensors").write_bytes(PRIVATE)
        for name in ("real.png", "epoch_0001.png", "r0-curves.svg", "trials.json", ".lock", "best_digits.yaml"):
            (place / folder / name).write_bytes(PRIVATE)
    return place


def content(place: Path) -> dict[str, bytes]:
    """Every file below a folder, and every folder."""
    return {str(p.relative_to(place)): p.read_bytes() if p.is_file() else b"folder" for p in place.rglob("*")}


def replace(path: Path, target: Path) -> None:
    """Put a link in the place of a file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


LINKS: dict[str, Callable[[Path, Path, Path], None]] = {
    "checkpoints": lambda s, r, o: replace(r / "checkpoints", o / "run" / "checkpoints"),
    "samples": lambda s, r, o: replace(r / "samples", o / "run" / "samples"),
    "record": lambda s, r, o: replace(r / ".hydra", o / "run" / ".hydra"),
    "evaluations": lambda s, r, o: replace(r / "evaluations", o / "run" / "evaluations"),
    "files": lambda s, r, o: [replace(r / name, o / "run" / name) for name in ("metrics.csv", "result.json", ".lock")],
    "figures": lambda s, r, o: replace(s / "figures", o / "run"),
    "written": lambda s, r, o: [
        replace(s / name, o / "run" / "result.json") for name in ("summary.csv", "report.html", "report.md")
    ],
    "locks": lambda s, r, o: [replace(p / ".lock", o / "run" / ".lock") for p in (s, r)],
}


def log_deep(sweep: Path, run: Path, outside: Path) -> None:
    """Events of a logger in a folder of a folder, the inner one a link."""
    edit(
        run / ".hydra" / "config.yaml",
        "_target_: ganexp.logger.csv",
        "_target_: ganexp.logger.tensorboard\n  folder: tb/x",
    )
    replace(run / "tb" / "x", outside / "run")


LINKS["a logger's"] = log_deep

CONCERNED = {
    "checkpoints": ("clean", "sample", "evaluate", "resume"),
    "samples": ("report", "clean", "resume"),
    "record": ("evaluate", "resume"),
    "evaluations": ("evaluate",),
    "files": ("status", "report", "resume"),
    "figures": ("report",),
    "written": ("report", "report --verify"),
    "locks": ("status", "resume", "clean"),
    "a logger's": ("resume",),
}
"""Link -> the commands that would come by it."""


@pytest.mark.parametrize("link", LINKS)
def test_no_command_follows_a_link(sweep: Path, only: Path, outside: Path, tmp_path: Path, link: str) -> None:
    names = every_command(sweep, tmp_path)
    if link in ("files", "locks", "a logger's"):
        edit(only / "status.json", "COMPLETED", "RUNNING")
    LINKS[link](sweep, only, outside)
    before = content(outside)
    for name in CONCERNED[link]:
        module, *arguments = names[name]
        done = command(str(module), *arguments, cwd=tmp_path)
        assert done.status in (0, 1, 2), (name, done.output)
        assert content(outside) == before, name
        assert PRIVATE.decode() not in done.output, name
    for path in sweep.rglob("*"):
        assert path.is_symlink() or path.is_dir() or PRIVATE not in path.read_bytes(), path


def ranked(sweep: Path) -> None:
    """A sweep directory with two settings that can be ranked."""
    runs = [planned(n, trajectory=f"t{n}", lr=10.0**-n, seed=0, optim__lr=10.0**-n) for n in (3, 4)]
    write_plan(sweep, runs, ["optim.lr"])
    for each in runs:
        write_run(sweep, each, State.COMPLETED)


def test_a_job_that_is_refused_for_its_links_writes_nothing_behind_them(
    sweep: Path, only: Path, outside: Path, tmp_path: Path
) -> None:
    edit(only / "status.json", "COMPLETED", "INTERRUPTED")
    LINKS["record"](sweep, only, outside)
    before = content(outside)
    again = (*TINY, "trainer.epochs=1", "hydra/launcher=basic", f"hydra.sweep.dir={sweep}")
    done = command("ganexp", "--multirun", *again, cwd=tmp_path)
    assert done.status in (1, 2) and "link" in done.output
    assert content(outside) == before


@pytest.mark.parametrize("name", ["best", "best/experiment", "confirm"])
def test_winners_are_not_written_through_links(tmp_path: Path, outside: Path, name: str) -> None:
    ranked(tmp_path / "sweep")
    again = ("ganexp.confirm", tmp_path / "sweep", "--dry-run")
    asked = again if name == "confirm" else ("ganexp.report", tmp_path / "sweep", "--best")
    assert command(*map(str, asked), cwd=tmp_path).status == 0
    replace(tmp_path / "sweep" / name, outside / "run")
    before = content(outside)
    done = command(*map(str, asked), cwd=tmp_path)
    assert done.status == 2 and "got a link" in done.output
    assert content(outside) == before


def test_a_run_directory_that_is_a_link_is_no_run(sweep: Path, only: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    only.rename(moved)
    only.symlink_to(moved)
    before = content(moved)
    assert "1 PENDING" in command("ganexp.status", sweep, cwd=tmp_path).output
    assert "1 PENDING" in command("ganexp.report", sweep, cwd=tmp_path).output
    assert "dropped 0 files" in command("ganexp.clean", sweep, cwd=tmp_path).output
    again = command(
        "ganexp",
        "--multirun",
        *TINY,
        "trainer.epochs=1",
        "hydra/launcher=basic",
        f"hydra.sweep.dir={sweep}",
        cwd=tmp_path,
    )
    assert again.status == 2 and "link" in again.output
    assert content(moved) == before


def test_the_same_sweep_again_does_not_train_into_links(sweep: Path, only: Path, outside: Path, tmp_path: Path) -> None:
    edit(only / "status.json", "COMPLETED", "INTERRUPTED")
    LINKS["checkpoints"](sweep, only, outside)
    before = content(outside)
    again = command(
        "ganexp",
        "--multirun",
        *TINY,
        "trainer.epochs=1",
        "hydra/launcher=basic",
        f"hydra.sweep.dir={sweep}",
        cwd=tmp_path,
    )
    assert again.status == 1 and "FAILED" in again.output
    assert content(outside) == before


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/nonexistent/ganexp",
        "..",
        ".",
        "",
        "a/b",
        ".hidden",
        "a\nb",
        "x" * 300,
        "\x1b[2J",
        "a\x00b",
        7,
        None,
    ],
)
def test_a_plan_names_directories_of_its_own_alone(sweep: Path, tmp_path: Path, name: object) -> None:
    names = every_command(sweep, tmp_path)
    path = sweep / "plan.json"
    found = json.loads(path.read_text())
    found["runs"][0]["run_dir"] = name
    path.write_text(json.dumps(found))
    for each in ("status", "report", "report --best", "confirm", "clean"):
        module, *arguments = names[each]
        done = command(str(module), *arguments, cwd=tmp_path)
        assert done.status == 2 and "plan.json: expected a plan" in done.output, (each, done)


@pytest.mark.parametrize(
    "launcher", ["../victim", "victim", "..", ".", "", "x/../../victim", ["victim"], "x-" + "0" * 15, None]
)
@pytest.mark.parametrize("linked", [False, True])
def test_a_study_cannot_name_what_is_removed(
    tmp_path: Path, launcher: object, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []  # nothing is removed in earnest: where the guard is broken, this test must do no harm
    harmless = SimpleNamespace(rmtree=lambda path, **_: removed.append(Path(path)))
    monkeypatch.setattr("ganexp.sweep.search.trials.shutil", harmless)
    victim, sweep = tmp_path / "victim", tmp_path / "sweep"
    (victim / "victim").mkdir(parents=True)
    sweep.mkdir()
    if linked:
        (sweep / LAUNCHERS).symlink_to(victim)
    else:
        (sweep / LAUNCHERS).mkdir()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.ask().set_user_attr(LAUNCHER, launcher)
    trials = Trials(study, sweep, 5)
    trials.name = "me"
    asked = trials.ask(lambda trial: trial.number)
    assert asked is not None and asked[1] == 0  # it goes on with the trial that nobody works on
    assert removed == []
    if linked:
        with pytest.raises(DirectoryError, match="link"), trials.held():
            pass


def test_a_link_in_the_place_of_a_study_is_not_opened(tmp_path: Path) -> None:
    from ganexp.sweep.search.study import Address, open_storage

    (tmp_path / "mine.db").write_bytes(PRIVATE)
    for end in ("", "-journal", "-wal"):
        path = tmp_path / f"study.db{end}"
        path.symlink_to(tmp_path / "mine.db")
        with pytest.raises(DirectoryError, match="link"):
            open_storage(Address("s", f"sqlite:///{tmp_path / 'study.db'}", own=True))
        path.unlink()
    assert (tmp_path / "mine.db").read_bytes() == PRIVATE


def roots(place: Path) -> dict[str, bytes]:
    """Files below a place that a stranger's directory names, or that it is not there."""
    return content(place) if place.exists() else {"": b"absent"}


@pytest.mark.parametrize("kind", ["absent", "a folder", "a root", "a link in the sweep"])
def test_a_data_root_that_a_stranger_names_is_not_written(
    sweep: Path, only: Path, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = tmp_path / "elsewhere"
    if kind in ("a root", "a link in the sweep"):
        shutil.copytree(data_root / "prepared" / "digits", target / "prepared" / "digits")
        for derived in target.rglob("*px*"):
            derived.unlink()
    elif kind == "a folder":
        target.mkdir()
    root = target
    if kind == "a link in the sweep":
        root = sweep / "root"
        root.mkdir()
        (root / "prepared").symlink_to(target / "prepared")
    edit(only / ".hydra" / "config.yaml", "${oc.env:GANEXP_DATA,data}", str(root))
    before = roots(target)
    names = every_command(sweep, tmp_path)
    for name in ("evaluate", "resume"):
        if name == "resume":
            edit(only / "status.json", "COMPLETED", "INTERRUPTED")
            (only / "result.json").unlink()
        module, *arguments = names[name]
        more = ("--metrics", "default", "--num-samples", "50") if name == "evaluate" else ()
        done = command(str(module), *arguments, *more, cwd=tmp_path)
        assert done.status == 0, done.output
        assert roots(target) == before and (tmp_path / "cache" / "ganexp").is_dir(), (name, done.output)
    assert kind != "a link in the sweep" or [p.name for p in root.iterdir()] == ["prepared"]


def test_confirm_and_best_make_no_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganexp import confirm

    ranked(tmp_path / "ranked")
    path = tmp_path / "ranked" / "plan.json"
    found = json.loads(path.read_text())
    for run in found["runs"]:
        run["overrides"].append(f"dataset.root={tmp_path}/elsewhere")
    path.write_text(json.dumps(found))
    done = command("ganexp.report", tmp_path / "ranked", "--best", cwd=tmp_path)
    assert done.status == 0 and "dataset.root is not repeated" in done.output, done.output
    (preset,) = (tmp_path / "ranked" / "best" / "experiment").iterdir()
    assert "elsewhere" not in preset.read_text()
    writable: list[str] = []

    def run(arguments: list[str], **_: object) -> SimpleNamespace:
        writable.append(os.environ["GANEXP_WRITABLE"])
        assert f"dataset.root={tmp_path}/elsewhere" in arguments
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(confirm.subprocess, "run", run)
    monkeypatch.setenv("GANEXP_DATA", str(tmp_path / "mine"))
    for more in ([], [f"dataset.root={tmp_path}/other"]):
        with pytest.raises(SystemExit):
            confirm.main(tmp_path / "ranked", more, 1, 1)
    assert writable == [f"{tmp_path}/mine", f"{tmp_path}/mine\n{tmp_path}/other"]


def test_no_dataset_is_prepared_under_the_name_of_another_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected 'digits' or a name of your own, got.*'mnist'"):
        digits(root=tmp_path, name="mnist")
    assert not (tmp_path / "prepared").exists()


def test_a_run_alone_writes_nothing_beside_itself(sweep: Path, only: Path) -> None:
    edit(only / ".hydra" / "config.yaml", "read_off: []", "read_off: [1]")
    assert open_to_work(only, []).config.sweep.read_off == [1]  # a job of a sweep
    (sweep / plan.FILE).unlink()
    assert open_to_work(only, []).config.sweep.read_off == []
