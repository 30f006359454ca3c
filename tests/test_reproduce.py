"""A number again from the report's page alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "report"))

from finished import Recipe, build

import ganexp
from ganexp.opened import open_run
from ganexp.report import page as report_page
from ganexp.report.verify import DATA
from ganexp.report.write import make
from ganexp.reproduce import _overrides, compared, page_run
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError, DirectoryError

SECTIONS = ("verdict", "heatmaps", "matters", "curves", "losses")
TWO = {"optim.lr": (1e-4, 1e-5)}


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of two settings with two seeds, of which the second failed."""
    build(tmp_path, Recipe(TWO, range(2), {("optim.lr", 1e-5): 2.0}, endings=dict.fromkeys((1, 3), State.FAILED)))
    monkeypatch.setattr(report_page, "drawings", lambda *_: {key: [] for key in SECTIONS})
    (tmp_path / "report.html").write_text(make([tmp_path], tmp_path).html)
    return tmp_path / "report.html"


def changed(report: Path, change: Any) -> None:
    text = report.read_text()
    found = DATA.search(text)
    assert found is not None
    data = json.loads(found[1])
    change(data)
    report.write_text(text.replace(found[1], json.dumps(data)))


def test_the_page_has_all_that_repeats_a_run(report: Path) -> None:
    run = page_run(report, 1, 0, None)
    assert run["overrides"] == ["optim.lr=0.0001", "seed=0"] and run["fingerprint"] == "f"
    assert _overrides(run, ["dataset.root=x"]) == ["optim.lr=0.0001", "seed=0", "trainer.threads=1", "dataset.root=x"]
    assert _overrides(run, ["optim.lr=3"]) == ["seed=0", "trainer.threads=1", "optim.lr=3"]


def test_of_two_leaderboards_of_one_data_set_the_title_chooses(report: Path) -> None:
    def twice(data: Any) -> None:
        (part,) = data["chapters"]
        data["chapters"] = [part | {"title": "digits, protocol 1"}, part | {"title": "digits, protocol 2"}]

    changed(report, twice)
    with pytest.raises(DirectoryError, match="got digits, protocol 1; digits, protocol 2"):
        page_run(report, 1, 0, "digits")
    assert page_run(report, 1, 0, "digits, protocol 2")["seed"] == 0


@pytest.mark.parametrize("identifier", ["..", "../../x", "a" * 31, "A" * 32, ""])
def test_an_id_that_is_none_is_refused(identifier: str, report: Path) -> None:
    def renamed(data: Any) -> None:
        for part in data["chapters"]:
            for setting in part["settings"]:
                setting["runs"] = [identifier]
        data["runs"][0]["id"] = identifier

    changed(report, renamed)
    with pytest.raises(DirectoryError, match="expected runs as ganexp writes them"):
        page_run(report, 1, 0, None)
    changed(report, lambda data: data.pop("runs"))
    with pytest.raises(DirectoryError, match=r"expected a report\.html"):
        page_run(report, 1, 0, None)


@pytest.mark.parametrize(
    ("rank", "seed", "words"), [(1, 7, "its seeds 0, 1"), (9, 0, "got none"), (1, 1, "one that is FAILED")]
)
def test_what_is_not_in_the_page_is_said(report: Path, rank: int, seed: int, words: str) -> None:
    with pytest.raises(DirectoryError, match=words):
        page_run(report, rank, seed, None)


@pytest.mark.parametrize("content", ["", "<p>hello</p>", '<script type="application/json" id="data">{"a": 1}</script>'])
def test_another_page_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.html").write_text(content)
    with pytest.raises(DirectoryError, match="expected"):
        page_run(tmp_path / "x.html", 1, 0, None)
    with pytest.raises(DirectoryError, match="expected"):
        page_run(tmp_path / "none.html", 1, 0, None)


@pytest.mark.parametrize(
    "override", ["optim.lr=${oc.env:HOME}", "optim.lr=1,2", "loss=../../x", "+x=${hydra:job.name}", "a\nb=1"]
)
def test_overrides_of_a_stranger_choose_values_alone(report: Path, override: str) -> None:
    changed(report, lambda data: [run.update(overrides=[override]) for run in data["runs"]])
    with pytest.raises((DirectoryError, ConfigError)):
        _overrides(page_run(report, 1, 0, None), [])


def test_trust_loggers_and_places_of_a_stranger_are_not_taken(report: Path) -> None:
    theirs = ["trust=[os.*]", "logger=wandb", "dataset.root=/etc", "hydra.run.dir=/tmp/x", "optim.lr=0.1"]
    changed(report, lambda data: [run.update(overrides=theirs) for run in data["runs"]])
    assert _overrides(page_run(report, 1, 0, None), []) == ["optim.lr=0.1", "seed=0", "trainer.threads=1"]


def test_equal_or_by_how_much_and_why_not(report: Path) -> None:
    run = page_run(report, 1, 0, None)
    again = open_run(next(report.parent.glob(f"*{run['id'][:8]}")))
    lines, equal = compared(run, again)
    assert equal and "equal" in lines[0]
    lines, equal = compared(
        {**run, "value": (run["value"] or 0) * 2, "fingerprint": "g", "versions": {"torch": "1.0"}}, again
    )
    assert not equal and "differs by" in lines[0] and "-50 %" in lines[0]
    assert lines[1:] == ["  data: there g, here f", "  torch: there 1.0, here 2.9.0"]


@pytest.mark.slow
def test_a_real_run_comes_out_equal(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from ganexp.cli import app_of
    from ganexp.reproduce import main

    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    monkeypatch.chdir(tmp_path)
    asked = ["experiment=debug", "optim.lr=1e-3,1e-4", "seed=0,1", "hydra/launcher=basic", "hydra.sweep.dir=sweep"]
    ganexp.multirun(asked)
    done = CliRunner().invoke(app_of(main), ["sweep/report.html", "--setting", "1", "--seed", "1"])
    assert (done.exit_code, "equal, to the last digit" in done.output) == (0, True), done.output
