from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from finished import EFFECTS, Recipe, build

from ganexp.report import try_report, write_report
from ganexp.report.ranking import rankings
from ganexp.report.study import read_study
from ganexp.report.verify import differences
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
    for name in ("intervals", "heatmaps", "importance", "marginals", "parallel", "curves", "budget", "losses"):
        assert f'id="r0-{name}"' in text
        assert (tmp_path / "figures" / f"r0-{name}.svg").read_text().startswith("<svg")
    markdown = (tmp_path / "report.md").read_text()
    for name in re.findall(r"\]\((figures/[^)]+)\)", markdown):
        assert (tmp_path / name).exists()
    assert "differ 4-fold in generator steps" in Words(text).text
    assert differences([tmp_path], tmp_path) == []
    drawing = tmp_path / "figures" / "r0-curves.svg"
    drawing.write_text(drawing.read_text().replace("#0072b2", "#0072b3"))
    page.write_text(text.replace("var(--c1)", "red", 1))
    assert differences([tmp_path], tmp_path) == [
        "report.html: figure r0-intervals differs",
        "figures/r0-curves.svg: differs",
    ]
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

    def test_settings_with_fewer_seeds_than_the_others_are_not_ranked(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR, endings=dict.fromkeys((0, 1, 2), State.PENDING)))
        (ranking,) = rankings(read_study([tmp_path]))
        assert [each.rank for each in ranking.standings] == [1, None]
        assert "fewer than 3 seeds" in ranking.standings[1].why

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
