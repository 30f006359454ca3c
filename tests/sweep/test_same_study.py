"""A study given again: it goes on where it is the same study, and is refused with the keys named where it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from test_search_command import SPACE, Here, here, study_in

__all__ = ["here"]

MORE = "hydra.sweeper.n_trials=3"
SIZES = "trainer.batch_size=16,24"
BEGUN = (*SPACE, SIZES, "hydra.sweeper.n_trials=2", "trainer.epochs=1", "hydra/sweeper/pruner=none")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folder of a study of two trials is kept once it has been made."""
    return tmp_path_factory.mktemp("begun") / "digits-tune"


@pytest.fixture
def folder(here: Here, tmp_path: Path, begun: Path) -> Path:
    """A study of two trials; a copied directory holds its study."""
    place = tmp_path / "multirun" / "digits-tune"
    if begun.exists():
        shutil.copytree(begun, place, symlinks=True)
        return place
    status, told = here(*BEGUN)
    assert status == 0, told
    shutil.copytree(place, begun, symlinks=True)
    return place


def changed(*arguments: str) -> tuple[str, ...]:
    keys = [text.partition("=")[0] for text in arguments]
    return (*(text for text in BEGUN if text.partition("=")[0] not in keys), *arguments, MORE)


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("trainer.batch_size=16,24,32", "trainer.batch_size: expected one of 16, 24, got one of 16, 24, 32"),
        ("trainer.batch_size=16", "trainer.batch_size: expected one of 16, 24, got 16"),
        ("trainer.d_steps=range(4,6)", "trainer.d_steps: expected 1 ... 3, got 4 ... 5"),
        ("optim.lr=interval(1e-4,1e-2)", "optim.lr: expected 1e-4 ... 0.01, log, got 1e-4 ... 0.01"),
        ("model.latent_dim=8,9", "model.latent_dim: expected one value, got one of 8, 9"),
        ("trainer.epochs=2", "trainer.epochs: expected 1, got 2"),
        ("loss=hinge", "loss: expected non_saturating, got hinge"),
        ("dataset.num_images=40", "dataset.num_images: expected 48, got 40"),
        ("seed=3", "seed: expected 0, got 3"),
        ("metrics.num_samples=32", "metrics.num_samples: expected 64, got 32"),
        ("hydra.sweeper.objectives=[train_seconds]", "the objective: expected cfd, got train_seconds"),
    ],
)
def test_another_study_is_refused_before_a_trial_is_asked_for(
    argument: str, named: str, folder: Path, here: Here
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    status, told = here(*changed(argument))
    assert status == 2, told
    assert named in told
    assert "Traceback" not in told
    assert [trial.state for trial in study_in(folder)] == [TrialState.COMPLETE] * 2
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    status, told = here(*changed(argument), "sweep.dry_run=true")
    assert (status, named in told, "timing" in told) == (2, True, False), told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == files
    if argument == "loss=hinge":
        assert "sweep.name=NAME" in told
        assert here(*changed(argument), "sweep.name=other")[0] == 0


@pytest.mark.parametrize(
    "argument", ["trainer.batch_size=24,16", "trainer.d_steps=range(1,6)", "optim.lr=tag(log,interval(1e-5,1e-1))"]
)
def test_the_same_choices_or_a_wider_range_are_joined(argument: str, folder: Path, here: Here) -> None:
    status, told = here(*changed(argument))
    assert status == 0, told
    assert [trial.state for trial in study_in(folder)] == [TrialState.COMPLETE] * 3


def test_a_trial_that_was_left_goes_on_with_its_own_values(folder: Path, here: Here) -> None:
    study = optuna.load_study(study_name="digits-tune", storage=f"sqlite:///{folder / 'study.db'}")
    left = study.ask()
    value = left.suggest_float("optim.lr", 1e-4, 1e-2, log=True)
    status, told = here(*changed("optim.lr=tag(log,interval(1e-6,1e-1))"))
    assert status == 0, told
    trial = study_in(folder)[2]
    assert (trial.state, trial.params["optim.lr"]) == (TrialState.COMPLETE, value)


@pytest.mark.parametrize("argument", ["metrics.num_samples=32,64", "dataset.image_size=8,16"])
def test_a_search_that_would_rank_two_protocols_is_refused(argument: str, here: Here, tmp_path: Path) -> None:
    status, told = here(argument, "hydra.sweeper.n_trials=2")
    assert status == 2, told
    assert f"{argument.partition('=')[0]}=" in told and "never ranked together" in told
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize(
    ("launcher", "by_url"), [("basic", False), pytest.param("joblib", True, marks=pytest.mark.slow)]
)
def test_a_renamed_or_copied_directory_holds_its_study(launcher: str, by_url: bool, here: Here, tmp_path: Path) -> None:
    storage = (f"hydra.sweeper.storage=sqlite:///{tmp_path}/studies.db",) if by_url else ()
    chosen = (f"hydra/launcher={launcher}", *storage)
    assert here(*BEGUN, *chosen)[0] == 0
    (tmp_path / "multirun" / "digits-tune").rename(tmp_path / "moved")
    status, told = here(*changed(), *chosen, "hydra.sweep.dir=moved")
    assert (status, "3 COMPLETE" in told) == (0, True), told
    shutil.copytree(tmp_path / "moved", tmp_path / "copied")
    status, told = here(*changed(), *chosen, "hydra.sweep.dir=copied", "hydra.sweeper.n_trials=4")
    assert (status, "4 COMPLETE" in told) == (0, True), told
    if by_url:
        status, told = here(*changed(), *chosen)
        assert (status, "is filled by" in told, "Traceback" in told) == (2, True, False), told


@pytest.mark.slow
def test_combinations_without_sense_are_left_out(here: Here, tmp_path: Path) -> None:
    space = ("loss=hinge,wgan", "penalty=clip,none", "hydra/sweeper/sampler=grid", "hydra/sweeper/pruner=none")
    for time in range(2):
        status, told = here(*space, "hydra.sweeper.n_trials=4", "trainer.epochs=1", "sweep.report=true")
        assert status == 0, told
        assert told.count("expected a loss over Lipschitz critics") == (1 if time == 0 else 0)
        assert "3 COMPLETE" in told and "1 left out" in told and "sweep.retry" not in told
    assert "LEFT" in (tmp_path / "multirun" / "digits-tune" / "report.md").read_text()


def test_the_first_failure_stops_a_search_that_asks_for_it(here: Here, tmp_path: Path) -> None:
    asked = ("optim.lr=choice(1e30,1e31)", "optim=sgd", "hydra.sweeper.n_trials=3", "sweep.stop_on_failure=true")
    status, told = here(*asked)
    assert status == 1, told
    assert "stopped at the first failure" in told and "the same command goes on" in told
    assert len(study_in(tmp_path / "multirun" / "digits-tune")) == 1


def test_the_time_of_a_search_ends_it(here: Here, tmp_path: Path) -> None:
    asked = (*SPACE, "trainer.epochs=20000", "metrics.every_epochs=10000", "hydra.sweeper.n_trials=2")
    status, told = here(*asked, "sweep.max_seconds=4")
    assert status == 1, told
    assert "the time of this command is over (sweep.max_seconds=4); the same command goes on" in told
    (trial,) = study_in(tmp_path / "multirun" / "digits-tune")
    assert trial.state is TrialState.RUNNING
    assert "INTERRUPTED" in (tmp_path / "multirun" / "digits-tune" / "summary.csv").read_text()
