"""Figures, leaderboard and methods for a paper, in both languages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from finished import EFFECTS, Recipe, build

import ganexp.report
from ganexp.report import paper
from ganexp.report.settings import NO_OPTIONS
from ganexp.report.text.phrases import FRENCH, decimal, say, speaking
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError

SMALL = {"trainer.batch_size": (16, 64), "optim.lr": (1e-4, 1e-5)}


def phrases_in(source: str) -> set[str]:
    """Every text that `say` is called with."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    first = [call.args[0] for call in calls if getattr(call.func, "id", "") == "say" and call.args]
    constants = [node for each in first for node in ast.walk(each) if isinstance(node, ast.Constant)]
    tests = {
        node for each in first for test in ast.walk(each) if isinstance(test, ast.IfExp) for node in ast.walk(test.test)
    }
    return {node.value for node in constants if isinstance(node.value, str) and node not in tests}


def test_every_phrase_exists_in_both_languages() -> None:
    sources = [path.read_text() for path in Path(ganexp.report.__file__).parent.rglob("*.py")]
    used = {phrase for source in sources for phrase in phrases_in(source)}
    assert len(used) > 20
    parts_of_words = {"{{objective}} (", " is better)", "{objective} (", "Methods"}
    assert {phrase for phrase in used - parts_of_words if phrase not in FRENCH} == set()
    for english, french in FRENCH.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", french)), english


def test_decimal_commas_are_french_alone() -> None:
    assert decimal("1,234.5") == "1,234.5"
    with speaking("fr"):
        assert decimal("1,234.5") == "1\u202f234,5"
        assert say("{low} to {high}", low=1, high=2) == "1 à 2"
    assert say("{low} to {high}", low=1, high=2) == "1 to 2"


@pytest.mark.slow
def test_everything_for_a_thesis(tmp_path: Path) -> None:
    sweep, folder = tmp_path / "sweep", tmp_path / "thesis"
    error = {0: {"type": "OSError", "message": "disk full"}}
    build(sweep, Recipe(SMALL, range(4), EFFECTS, endings={0: State.FAILED}, errors=error))
    names = paper.write_figures([sweep], folder, NO_OPTIONS, "fr")
    assert {"r0-intervals.pdf", "r0-intervals.png", "r0-curves.pdf", "r0-leaderboard.tex", "methods.md"} <= set(names)
    assert (folder / "r0-curves.pdf").read_bytes().startswith(b"%PDF")
    table = (folder / "r0-leaderboard.tex").read_text()
    assert "taux d'apprentissage" in table and "0,0001" in table and r"intervalle à 95 \%" in table
    methods = (folder / "methods.md").read_text()
    assert "Sur 16 essais, 15 sont achevés ; les autres : 1 en échec, tous dans les tableaux." in methods
    assert "torch 2.9.0" in methods and "heures d'entraînement" in methods
    before = (folder / "r0-intervals.png").read_bytes()
    paper.write_figures([sweep], folder, NO_OPTIONS, "fr")  # its own files are written again, to the same bytes
    assert (folder / "r0-intervals.png").read_bytes() == before
    (folder / "methods.md").write_text("mine")
    with pytest.raises(DirectoryError, match=r"methods\.md"):
        paper.write_figures([sweep], folder, NO_OPTIONS)


def test_texts_of_strangers_are_shown_as_they_are() -> None:
    rows = [["rank", "model"], ["1", r"a_b & 50% $x$ \input{y} #1 {z} ~^"], ["2", "<b>|</b>"]]
    latex = paper.as_latex(rows)
    assert r"a\_b \& 50\% \$x\$ \textbackslash{}input\{y\} \#1 \{z\} \textasciitilde{}\textasciicircum{}" in latex
    assert r"&lt;b&gt;\|&lt;/b&gt;" in paper.as_markdown(rows)
