"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest

import ganexp

SHOWN = (
    *("GAN", "AdversarialLoss", "Dataset", "Metric", "Optimizer", "Penalty", "Schedule"),
    *("load_metrics", "load_summary"),
)


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_runs_as_shown(
    name: str, recorded: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multirun").mkdir()
    recorded("grid").rename(tmp_path / "multirun" / "digits-grid")
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(ganexp, name), name, globs={})
    assert 1 < len(example.examples) < 10
    assert doctest.DocTestRunner().run(example).failed == 0
