from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

sys.path.insert(0, str(Path(__file__).parent / "report"))

from finished import Recipe, build

from ganexp.confirm import winners
from ganexp.report.study import read_study
from ganexp.types.errors import DirectoryError

AXES = {"trainer.epochs": (2, 4), "optim.lr": (1e-4, 1e-5)}


def test_winners_are_the_best_settings_on_unused_seeds_shorter_ones_first(tmp_path: Path) -> None:
    build(tmp_path, Recipe(AXES, range(3), {("optim.lr", 1e-5): 3.0}))
    found = winners(tmp_path, 2, 3)
    assert [again.epochs for again in found] == [2, 4]
    assert {again.seeds for again in found} == {(3, 4, 5)}
    assert all("optim.lr=0.0001" in again.overrides for again in found)
    assert not any(text.startswith("seed=") for again in found for text in again.overrides)
    arguments = found[0].arguments(tmp_path / "con'firm", ["hydra/launcher=basic"])
    assert arguments[0] == "--multirun" and "seed=3,4,5" in arguments and arguments[-1] == "hydra/launcher=basic"


def test_nothing_to_confirm_is_refused(tmp_path: Path) -> None:
    build(tmp_path, Recipe(AXES, (0,), metrics=False))
    with pytest.raises(DirectoryError, match="ranked setting"):
        winners(tmp_path, 3, 5)


@pytest.mark.slow
def test_a_sweep_is_confirmed_and_its_winner_repeated(
    tmp_path: Path, ganexp: Callable[..., CompletedProcess[str]]
) -> None:
    small = ("experiment=debug", "trainer.epochs=1", "model.generator_widths=[8]", "hydra/launcher=basic")
    first = ganexp("--multirun", *small, "optim.lr=1e-3,1e-4", "seed=0", "hydra.sweep.dir=s")
    assert first.returncode == 0, first.stderr
    again = ganexp("s", "--top", "1", "--seeds", "2", "hydra/launcher=basic", module="ganexp.confirm")
    assert again.returncode == 0, again.stderr
    study = read_study([tmp_path / "s"])
    assert len(study.runs) == 2
    assert [run.seed for run in study.confirmed] == [1, 2]
    assert "Claimed and confirmed" in (tmp_path / "s" / "report.html").read_text()

    best = ganexp("s", "--best", module="ganexp.report")
    assert best.returncode == 0, best.stderr
    words = shlex.split(best.stdout)
    assert words[:3] == ["python", "-m", "ganexp"]
    by_hand = ganexp(*words[3:], "hydra.run.dir=a")
    by_preset = ganexp("--config-dir", "s/best", "experiment=best_digits", "hydra.run.dir=b")
    assert by_hand.returncode == by_preset.returncode == 0, by_preset.stderr
    ids = {read_study([tmp_path / folder]).runs[0].run_id for folder in "ab"}
    assert ids <= {run.run_id for run in study.runs} and len(ids) == 1
