"""Directories that version 0.1.0 left are opened by every command, and say what they said then."""

import csv
import json
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import record
from safetensors.numpy import load_file

from ganexp.files.record import COLUMNS

ROOT = Path(__file__).parents[2]
RECORDED = ("0.1.0",)  # versions with directories in recorded.tar.xz
SCORES = ("cfd", "cfd_half_a", "precision", "recall", "density", "coverage")
RUN, TRAJECTORY = "959160eacc05ca7a796bddc16aaa2317", "8eb0d1d09c895fb06530343d60e33e14"


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def close(new, old, tolerance=1e-4):
    """Whether two texts of a table say the same, numbers to a share of `tolerance`."""
    try:
        return float(new) == pytest.approx(float(old), rel=tolerance, abs=1e-6)
    except ValueError:
        return new == old


def same_rows(new, old, leave=()):
    """Compare tables in the columns of the old one."""
    assert len(new) == len(old)
    for now, then in zip(new, old, strict=True):
        differing = {key: (now[key], then[key]) for key in then if key not in leave and not close(now[key], then[key])}
        assert not differing


def same_weights(new, old):
    new, old = load_file(new), load_file(old)
    assert new.keys() == old.keys()
    for name, values in old.items():
        np.testing.assert_allclose(new[name], values, rtol=1e-5, atol=1e-6)


def same_final(new, old):
    """Protocol 2 has other features, and a draw of its own for half B: scores are other numbers, with an error."""
    assert new.keys() == {*old, "cfd_se"}
    assert all(math.isfinite(new[name]) for name in SCORES)
    for key in old.keys() - {*SCORES, "train_seconds"}:
        assert new[key] == pytest.approx(old[key], rel=1e-4), key


def test_directories_of_every_released_version_are_here():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {version, *released} <= {*RECORDED}
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_status(recorded, door):
    assert "COMPLETED" in door("status", recorded("run")).text
    assert "INTERRUPTED" in door("status", recorded("interrupted")).text
    grid = door("status", recorded("grid"))
    assert (grid.status, grid.text.count("COMPLETED"), grid.text.count("DIVERGED")) == (0, 5, 3), grid.text
    search = door("status", recorded("search"))
    assert (search.status, search.text.count("COMPLETED")) == (0, 4), search.text


@pytest.mark.parametrize("name", ["grid", "search"])
def test_report(recorded, door, name):
    sweep = recorded(name)
    before = rows(sweep / "summary.csv")
    (sweep / "report.html").unlink()
    assert door("report", sweep).status == 0
    same_rows(rows(sweep / "summary.csv"), before)
    text = (sweep / "report.html").read_text()
    assert all(row["run_id"][:8] in text for row in before if row["state"] == "COMPLETED")
    assert (sweep / "figures" / "r0-losses.svg").stat().st_size > 1000


def test_evaluate(recorded, door):
    run = recorded("run")
    before = json.loads((run / "result.json").read_text())
    assert door("evaluate", run).status == 0
    after = json.loads((run / "result.json").read_text())
    assert (after["run_id"], after["trajectory_id"]) == (RUN, TRAJECTORY)
    same_final(after["final"], before["final"])
    (row,) = rows(run / "metrics.csv")[-1:]
    same_final({name: float(row[name]) for name in after["final"]}, before["final"])
    assert float(row["cfd_half_a"]) == after["final"]["cfd_half_a"] != before["final"]["cfd_half_a"]
    assert after["floors"].pop("cfd_se") > 0
    assert after["floors"].keys() == before["floors"].keys()
    protocol = [content["provenance"]["metrics"]["protocol"] for content in (before, after)]
    assert protocol[0].keys() <= protocol[1].keys()
    assert not protocol[0].items() & protocol[1].items()  # version 2 of the protocol, whose values are told apart


def test_sample(recorded, door, tmp_path):
    run = recorded("run")
    assert door("sample", run, "--num", 6, "--out", "x.npy").status == 0
    new, old = np.load(tmp_path / "x.npy"), np.load(run / "images.npy")
    assert (new.dtype, new.shape) == (old.dtype, old.shape) == (np.uint8, (6, 1, 8, 8))
    assert np.abs(new.astype(int) - old).max() <= 1


def test_resume_reads_what_is_finished(recorded, door):
    run = recorded("run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    ended = door("resume", run)
    assert (ended.status, "already done" in ended.text) == (0, True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_resume_goes_on_with_what_was_interrupted(recorded, door):
    run, whole = recorded("interrupted"), recorded("run")
    ended = door("resume", run)
    assert (ended.status, "going on after step 9" in ended.text) == (0, True), ended.text
    now, then = rows(run / "metrics.csv"), rows(whole / "metrics.csv")
    scores = [name for name in then[0] if name not in COLUMNS]
    same_rows(now, then, leave=("train_seconds", *scores))
    assert {row[name] for row in now[:-1] for name in scores} == {""}  # by another protocol than the last row's
    for name in ("generator_0004", "state_00000016"):
        same_weights(run / "checkpoints" / f"{name}.safetensors", whole / "checkpoints" / f"{name}.safetensors")
    new, old = (json.loads((folder / "result.json").read_text()) for folder in (run, whole))
    same_final(new["final"], old["final"])


def test_clean(recorded, door):
    grid = door("clean", recorded("grid"))
    assert (grid.status, "dropped 2 files" in grid.text) == (0, True), grid.text
    search = door("clean", recorded("search"))
    assert (search.status, "dropped 3 files" in search.text) == (0, True), search.text


def test_confirm_names_the_same_winner(recorded, door):
    grid = recorded("grid")
    named = door("confirm", grid, "--top", 1, "--seeds", 2, "--dry-run")
    assert (named.status, "seeds 1, 2" in named.text, "optim.lr=0.01" in named.text) == (0, True, True), named.text


@pytest.mark.slow
def test_confirm(recorded, door, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as recorded: the classifier of so few images is trained here
    grid = recorded("grid")
    ended = door("confirm", grid, "--top", 1, "--seeds", 1, "hydra/launcher=basic")
    assert ended.status == 0, ended.text
    assert [row["state"] for row in rows(grid / "confirm" / "summary.csv")] == ["COMPLETED"]
    old, new = (json.loads(next(grid.glob(f"{place}/result.json")).read_text()) for place in ("digits*", "confirm/*"))
    same = (
        old["provenance"]["metrics"]["protocol"] == new["provenance"]["metrics"]["protocol"]
    )  # not on other processors
    assert ("Claimed and confirmed" in (grid / "report.html").read_text()) == same


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "search"])
def test_the_same_command_trains_nothing_again(recorded, ganexp, name):
    sweep = recorded(name)
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("result.json")}
    as_then = ("trainer.ema_rampup=null",) if name == "search" else ()  # what sweep=tune did not set yet
    ended = ganexp(*record.SMALL, *record.JOBS[name], *as_then)
    assert ended.returncode == (1 if name == "grid" else 0), ended.stderr
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("result.json")} == before
    assert len(before) == (4 if name == "grid" else 3)
