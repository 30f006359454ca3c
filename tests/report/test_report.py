from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished import EFFECTS, Recipe, build

from ganexp.report import try_report, write_report
from ganexp.report.figures import by_setting, svg
from ganexp.report.ranking import rankings
from ganexp.report.study import read_study
from ganexp.report.text.verdict import terminal_verdict
from ganexp.report.verify import DATA, differences
from ganexp.report.write import make
from ganexp.types.endings import State

SMALL = {"trainer.batch_size": (16, 64), "optim.lr": (1e-4, 1e-5)}
TWO = {"optim.lr": (1e-4, 1e-5)}
FAR = {("optim.lr", 1e-5): 2.0}


class Words(HTMLParser):
    """The visible text of a page, its tags, and the attributes that scripts could hide in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.handlers: list[str] = []
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())


def block(page: str) -> Any:
    """The data block of a page."""
    found = DATA.search(page)
    assert found is not None
    return json.loads(found[1])


def words(folder: Path) -> str:
    return Words(make([folder], folder).html).text


def test_the_whole_report(tmp_path: Path) -> None:
    axes = {"trainer.batch_size": (16, 64), "trainer.epochs": (5, 10), "optim.lr": (1e-4, 1e-5)}
    build(tmp_path, Recipe(axes, range(3), EFFECTS, pictures=True))
    page = write_report([tmp_path])
    text = page.read_text()
    assert page == tmp_path / "report.html"
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert len(text) < 3_000_000
    for name in ("intervals", "heatmaps", "importance", "marginals", "curves", "budget", "losses", "equilibrium"):
        assert (tmp_path / "figures" / f"r0-{name}.svg").read_text().startswith("<svg")
    markdown = (tmp_path / "report.md").read_text()
    for name in re.findall(r"\]\((figures/[^)]+)\)", markdown):
        assert (tmp_path / name).exists()
    assert "differ 4-fold in generator steps" in Words(text).text
    assert differences([tmp_path], tmp_path) == []
    drawing = tmp_path / "figures" / "r0-curves.svg"
    drawing.write_text(drawing.read_text().replace("#0072b2", "#0072b3"))
    value = block(text)["chapters"][0]["settings"][0]["value"]
    page.write_text(
        text.replace(f'"value": {value!r}', '"value": 1.5').replace("dragging over one", "dragging over two")
    )
    found = differences([tmp_path], tmp_path)
    assert f"report.html: data: chapters/0/settings/0/value: the page says 1.5, the files say {value!r}" in found
    assert found[-2:] == ["report.html: script 3 differs", "figures/r0-curves.svg: differs"]
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.usefixtures("no_figures")
class TestVerdict:
    def test_a_single_best(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR))
        assert "lr 0.0001 is the best setting" in words(tmp_path)

    def test_settings_that_cannot_be_told_apart(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(SMALL, range(5), FAR))
        (ranking,) = rankings(read_study([tmp_path]))
        assert [each.together for each in ranking.ranked] == [True, True, False, False]
        assert "1 of 3 others cannot be told from it, family-wise at 4 %" in words(tmp_path)

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_few_seeds_make_no_claim(self, tmp_path: Path, seeds: int) -> None:
        build(tmp_path, Recipe(TWO, range(seeds), FAR))
        text = words(tmp_path)
        assert "No setting can be claimed to be the best" in text and "fewer than 3 seeds" in text
        assert "is the best setting" not in text

    def test_one_setting(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe({}, range(3)))
        assert "there is nothing to compare it with" in words(tmp_path)

    def test_no_metric(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(3), metrics=False))
        assert "Nothing was measured, so nothing is ranked" in words(tmp_path)

    def test_two_protocols_are_two_rankings(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(3), FAR, protocols={3: "p1", 4: "p1", 5: "p1"}))
        found = rankings(read_study([tmp_path]))
        assert [(r.protocol, len(r.standings)) for r in found] == [("p0", 1), ("p1", 1)]
        text = words(tmp_path)
        assert "never ranked together" in text and "is the best setting" not in text

    def test_diverged_seeds_are_never_ranked_on_their_survivors(self, tmp_path: Path) -> None:
        error = {"type": "Diverged", "message": "d_loss is nan"}
        build(tmp_path, Recipe(TWO, range(5), FAR, endings={1: State.DIVERGED}, errors={1: error}))
        (ranking,) = rankings(read_study([tmp_path]))
        assert [dict(each.setting)["optim.lr"] for each in ranking.ranked] == ["1e-05"]
        last = ranking.standings[-1]
        assert (last.rank, len(last.done), len(last.runs)) == (None, 4, 5)
        text = words(tmp_path)
        assert "1 of 5 diverged: not ranked on its survivors" in text and "d_loss is nan" in text

    def test_every_state_is_told(self, tmp_path: Path) -> None:
        endings = {
            3: State.FAILED,
            4: State.PRUNED,
            5: State.RUNNING,
            6: State.INTERRUPTED,
            7: State.PENDING,
            8: State.DIVERGED,
        }
        error = {3: {"type": "OutOfMemoryError", "message": "no room"}, 8: {"type": "Diverged", "message": "nan"}}
        build(tmp_path, Recipe({"trainer.batch_size": (16, 36, 64)}, range(3), endings=endings, errors=error))
        text = words(tmp_path)
        for state in ("FAILED", "PRUNED", "STALE", "INTERRUPTED", "PENDING", "DIVERGED", "COMPLETED"):
            assert state in text
        assert "OutOfMemoryError: no room" in text
        (ranking,) = rankings(read_study([tmp_path]))
        assert [dict(each.setting)["trainer.batch_size"] for each in ranking.ranked] == ["16"]

    def test_a_seed_that_failed_is_missing_and_said(self, tmp_path: Path) -> None:
        error = {0: {"type": "OSError", "message": "disk full"}}
        build(tmp_path, Recipe(TWO, range(5), FAR, endings={0: State.FAILED}, errors=error))
        (ranking,) = rankings(read_study([tmp_path]))
        assert ranking.best is not None and ranking.claims
        assert (ranking.best.why, len(ranking.best.done)) == ("1 failed", 4)

    def test_settings_with_fewer_seeds_than_two_others_are_not_ranked(self, tmp_path: Path) -> None:
        three = {"optim.lr": (1e-3, 1e-4, 1e-5)}
        build(tmp_path, Recipe(three, range(5), FAR, endings=dict.fromkeys((0, 1, 2), State.PENDING)))
        (ranking,) = rankings(read_study([tmp_path]))
        assert [each.rank for each in ranking.standings] == [1, 2, None] and ranking.claims
        assert "fewer than 3 seeds" in ranking.standings[2].why

    @pytest.mark.parametrize("begun", [1, 2])
    def test_one_setting_with_more_seeds_is_not_the_best_for_that(self, begun: int, tmp_path: Path) -> None:
        """Runs are made setting by setting: the first one alone has its seeds when a sweep is stopped."""
        bad = {("optim.lr", 1e-4): 10.0}
        build(tmp_path, Recipe(TWO, range(3), bad, endings=dict.fromkeys(range(3 + begun, 6), State.PENDING)))
        (ranking,) = rankings(read_study([tmp_path]))
        assert [each.rank for each in ranking.standings] == [1, 2] and not ranking.claims
        assert dict(ranking.standings[0].setting)["optim.lr"] == "1e-05", "the better one, if only by few seeds"
        assert "No setting can be claimed to be the best" in terminal_verdict(read_study([tmp_path]), (ranking,))[0]

    def test_runs_that_differ_in_the_root_of_their_data_are_settings(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe({"dataset.root": ("data", "data2")}, range(3)))
        (ranking,) = rankings(read_study([tmp_path]))
        assert sorted(dict(each.setting)["dataset.root"] for each in ranking.ranked) == ["data", "data2"]

    def test_of_runs_that_differ_in_nothing_recorded_the_last_counts(self, tmp_path: Path) -> None:
        runs = build(tmp_path, Recipe({"sweep.name": ("a", "b")}, range(3)))
        (ranking,) = rankings(read_study([tmp_path]))
        (only,) = ranking.ranked
        assert [run.run_id for run in only.done] == [run.run_id for run in runs[3:]]

    def test_nothing_has_finished(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(2), endings=dict.fromkeys(range(4), State.PENDING)))
        assert "4PENDING" in words(tmp_path)

    def test_chosen_on_half_a_reported_on_half_b(self, tmp_path: Path) -> None:
        runs = build(tmp_path, Recipe(TWO, range(3), sigma=0.0))
        for run in runs[:3]:
            path = tmp_path / run.run_dir / "result.json"
            result = json.loads(path.read_text())
            result["final"] |= {"cfd_half_a": 1.0, "cfd": 500.0 + run.values["seed"]}
            path.write_text(json.dumps(result))
        (ranking,) = rankings(read_study([tmp_path]))
        assert ranking.best is not None and ranking.best.estimate is not None
        assert dict(ranking.best.setting)["optim.lr"] == "0.0001"
        assert ranking.best.estimate.value == pytest.approx(501, rel=1e-3)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b|c",
    "line\nbreak\n# heading",
    "`code` **bold** [link](javascript:alert(1))",
    "x" * 300,
    "$\\frac{1}{0}$ & {{ 7 * 7 }}",
    "</style></script><b>",
)


def test_hostile_values_cannot_break_or_script_the_page(tmp_path: Path) -> None:
    errors = {1: {"type": "<b>Bold</b>", "message": "a|b\n<script>alert(2)</script>"}}
    build(tmp_path, Recipe({"model": HOSTILE}, (0, 1), endings={1: State.FAILED}, errors=errors))
    plain = tmp_path / "plain"
    build(plain, Recipe({"model": tuple("abcdefgh")}, (0, 1), endings={1: State.FAILED}, errors={1: errors[1]}))
    write_report([tmp_path])
    page = Words((tmp_path / "report.html").read_text())
    harmless = Words(make([plain], plain).html)
    assert page.handlers == []
    assert {tag: page.tags.get(tag, 0) for tag in ("script", "img", "b", "style", "section", "table", "tr")} == {
        tag: harmless.tags.get(tag, 0) for tag in ("script", "img", "b", "style", "section", "table", "tr")
    }
    assert "<script>alert(1)</script>" in page.text and "{{ 7 * 7 }}" in page.text
    values = [
        setting["values"][0] for setting in block((tmp_path / "report.html").read_text())["chapters"][0]["settings"]
    ]
    assert {"<script>alert(1)</script>", "</style></script><b>"} <= set(values)
    markdown = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", (tmp_path / "report.md").read_text())
    assert "<script" not in markdown and "\n# heading" not in markdown
    assert not re.search(r"(?<!\\)\]\(javascript", markdown)
    tables = [line for line in markdown.splitlines() if line.startswith("| ") and "batch" not in line]
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in tables if re.match(r"\| [1-8–] \|", line)}
    assert len(counts) == 1


@pytest.mark.usefixtures("no_figures")
def test_verify_names_what_differs(tmp_path: Path) -> None:
    runs = build(tmp_path, Recipe(TWO, range(3), FAR))
    write_report([tmp_path])
    assert differences([tmp_path], tmp_path) == []
    page = tmp_path / "report.html"
    good = page.read_text()
    page.write_text(re.sub(r'(<data data-key="r0/board/1/value" value=")[^"]+', r"\g<1>1.0", good))
    assert any("r0/board/1/value" in line for line in differences([tmp_path], tmp_path))
    for added in ("<data>999</data>", '<DATA data-key="r0/x" value="1">999</DATA>', "<p>999</p>"):
        page.write_text(good.replace("</h1>", f"</h1>{added}"))
        assert any("the report says: 999" in line for line in differences([tmp_path], tmp_path))
    page.write_text(good)
    path = tmp_path / runs[0].run_dir / "result.json"
    result = json.loads(path.read_text())
    result["final"]["cfd"] *= 1.5
    path.write_text(json.dumps(result))
    found = differences([tmp_path], tmp_path)
    assert any("r0/board/1/value" in line for line in found)
    assert any("report.md" in line for line in found) and any("summary.csv" in line for line in found)


@pytest.mark.usefixtures("no_figures")
def test_several_sweeps_side_by_side(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    build(first, Recipe({"loss": ("wgan",)}, range(3)))
    build(second, Recipe({"loss": ("hinge",)}, range(3)))
    assert write_report([first, second]) == tmp_path / "report.html"
    study = read_study([first, second])
    assert study.keys == ("loss",)


@pytest.mark.usefixtures("no_figures")
def test_confirmed_winners_stand_beside_what_was_claimed(tmp_path: Path) -> None:
    build(tmp_path, Recipe(TWO, range(3), FAR))
    build(tmp_path / "confirm", Recipe({"optim.lr": (1e-4,)}, range(3, 8)))
    text = words(tmp_path)
    assert "Claimed and confirmed" in text
    assert len(read_study([tmp_path]).runs) == 6


def test_a_report_that_fails_does_not_spoil_the_sweep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert try_report([tmp_path / "nothing"]) is None
    assert "the report could not be written" in caplog.text


def test_torch_is_not_imported(tmp_path: Path) -> None:
    import subprocess
    import sys

    build(tmp_path, Recipe(TWO, range(2), metrics=False))
    program = f"import sys; from pathlib import Path; from ganexp.report import write_report; \
write_report([Path({str(tmp_path)!r})]); sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_last_epoch_is_in_the_curves_whatever_the_cadence(tmp_path: Path) -> None:
    runs = build(tmp_path, Recipe({"trainer.epochs": (15,), "optim.lr": (1e-4, 1e-5)}, range(3)))
    for run in runs:
        path = tmp_path / run.run_dir / "metrics.csv"
        *rows, last = path.read_text().splitlines()
        names = rows[0].split(",")
        cells = [
            "" if name in ("cfd", "cfd_half_a") else cell for name, cell in zip(names, last.split(","), strict=True)
        ]
        path.write_text("\n".join([*rows, ",".join(cells)]) + "\n")
    (chapter,) = block(make([tmp_path], tmp_path).html)["chapters"]
    for setting, training in zip(chapter["settings"], chapter["trainings"], strict=True):
        assert training["mean"]["epoch"] == [1, 2, 5, 10, 15]
        assert training["mean"]["value"][-1] == pytest.approx(setting["value"])


@pytest.mark.usefixtures("no_figures")
def test_many_runs_are_shown_as_means_and_the_best_in_pictures(tmp_path: Path) -> None:
    axes = {"optim.lr": [float(f"{rate:.3g}") for rate in np.geomspace(1e-5, 1e-3, 26)], "trainer.epochs": (2,)}
    build(tmp_path, Recipe(axes, range(2), pictures=True, endings={51: State.FAILED}))
    page = make([tmp_path], tmp_path).html
    data = block(page)
    assert len(page) < 4_000_000 and len(data["runs"]) == 52
    (chapter,) = data["chapters"]
    assert all(training["seeds"] == [] for training in chapter["trainings"])
    assert chapter["trainings"][0]["traces"]["d_loss"]
    assert len(data["pictures"]) == 20 + 1  # the best settings, and the failure


def test_what_is_drawn_at_paper_size_says_what_it_leaves_out(tmp_path: Path) -> None:
    rates = [float(f"{rate:.3g}") for rate in np.geomspace(1e-5, 1e-3, 33)]
    build(tmp_path, Recipe({"optim.lr": rates, "trainer.epochs": (2,)}, range(1)))
    (ranking,) = rankings(read_study([tmp_path]))
    drawing = by_setting.intervals(ranking, "r0")
    assert drawing is not None and "The best 30 of 33 settings" in drawing.caption
    assert "The floor, real against real, is 1.4" in drawing.caption
    low, _ = drawing.sheet.axes[0].get_xlim()
    assert low > 1.4  # the way to the floor would take most of the width
    every = by_setting.marginals(ranking, "r0")
    assert every is not None and every.sheet.axes[0].get_xscale() == "log"


@pytest.mark.parametrize(("low", "high"), [(50, 63), (1, 900), (2e-5, 9e-4), (11, 19)])
def test_a_logarithmic_axis_has_several_ticks(low: float, high: float) -> None:
    axes = svg.figure(4, 3).subplots()
    axes.plot([1, 2], [low, high])
    svg.log_scale(axes, "y")
    bottom, top = axes.get_ylim()
    assert sum(bottom <= tick <= top for tick in axes.get_yticks()) >= 3
