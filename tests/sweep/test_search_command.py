"""Whole searches through the command line."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from hydra.core.global_hydra import GlobalHydra
from optuna.trial import FrozenTrial, TrialState

from ganexp import load_summary
from ganexp.__main__ import main
from ganexp.report.search import searches
from ganexp.report.study import read_study
from helpers import TINY

SMALL = (
    *(text for text in TINY if not text.startswith(("metrics", "optim.lr", "trainer.batch_size", "trainer.threads"))),
    "metrics=default",
    "metrics.num_samples=64",
    "metrics.every_epochs=1",
    "trainer.samples_every_epochs=null",
    "trainer.batch_size=24",
    "trainer.epochs=3",
    "sweep=tune",
    "sweep.report=false",
    "hydra.sweeper.params=null",
)
"""A search whose trials take half a second each; its space is given by each test."""

SPACE = ("optim.lr=tag(log,interval(1e-4,1e-2))", "trainer.d_steps=range(1,4)")

Here = Callable[..., tuple[int, str]]


@pytest.fixture
def here(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    """Run `python -m ganexp --multirun SMALL ARGUMENTS` in this process, one trial after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANEXP_DATA", str(data_root))

    def run(*arguments: str) -> tuple[int, str]:
        GlobalHydra.instance().clear()
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # set, so that what main() sets is taken back
        monkeypatch.setattr(sys, "argv", ["ganexp", "--multirun", "hydra/launcher=basic", *SMALL, *arguments])
        status = 0
        try:
            main()
        except SystemExit as error:
            status = int(error.code or 0)
        told = capsys.readouterr()
        return status, told.out + told.err

    yield run
    GlobalHydra.instance().clear()


def study_in(folder: Path) -> list[FrozenTrial]:
    name = folder.name
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'study.db'}").trials


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [
        ("tpe", "median"),
        ("tpe", "successive_halving"),
        ("tpe", "hyperband"),
        ("tpe", "percentile"),
        ("gp", "median"),
        ("cmaes", "median"),
        ("nsgaii", "median"),
        ("random", "median"),
        ("qmc", "median"),
        ("grid", "none"),
    ],
)
def test_every_sampler_and_pruner_makes_its_trials(sampler: str, pruner: str, here: Here, tmp_path: Path) -> None:
    space = SPACE if sampler != "grid" else ("optim.lr=1e-4,1e-3", "trainer.d_steps=1,2,3,4,5")
    chosen = (f"hydra/sweeper/sampler={sampler}", f"hydra/sweeper/pruner={pruner}")
    startup = ("hydra.sweeper.sampler.n_startup_trials=3",) if sampler in ("tpe", "gp", "cmaes") else ()
    status, told = here(*space, *chosen, *startup, "hydra.sweeper.n_trials=8")
    assert status == 0, told
    folder = tmp_path / "multirun" / "digits-tune"
    trials = study_in(folder)
    assert len(trials) == 8
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    table = load_summary(folder)
    assert set(table["state"]) <= {"COMPLETED", "PRUNED"}
    by_state = Counter(trial.state.name for trial in trials)
    assert table["state"].tolist().count("COMPLETED") <= by_state["COMPLETE"]
    for trial in trials:
        result = json.loads((folder / trial.user_attrs["run_dir"] / "status.json").read_text())
        assert result["state"] == {"COMPLETE": "COMPLETED"}.get(trial.state.name, trial.state.name)
        if trial.state is TrialState.COMPLETE:
            content = json.loads((folder / trial.user_attrs["run_dir"] / "result.json").read_text())
            assert trial.value == content["final"]["cfd_half_a"]


@pytest.mark.slow
def test_a_search_is_pruned_reported_and_read_when_asked_again(here: Here, tmp_path: Path) -> None:
    space = ("optim.lr=5e-3,1e-9", "seed=range(0,100)")  # what hardly learns is pruned
    asked = (*space, "hydra.sweeper.n_trials=8", "hydra.sweeper.pruner.n_startup_trials=2", "sweep.report=true")
    status, told = here(*asked, "hydra.sweeper.sampler.seed=1")
    assert status == 0, told
    folder = tmp_path / "multirun" / "digits-tune"
    trials = study_in(folder)
    cut = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert cut, told
    for trial in cut:
        run = folder / trial.user_attrs["run_dir"]
        last = max(trial.intermediate_values)
        assert last < 3
        assert len((run / "metrics.csv").read_text().splitlines()) == 1 + last
        assert list((run / "checkpoints").glob("state_*.safetensors")), "what a longer run starts from"
    (found,) = searches(read_study([folder]))
    assert (found.states["COMPLETE"], found.states["PRUNED"]) == (8 - len(cut), len(cut))
    assert found.saved > 0
    assert {drawing.name for drawing in found.drawings} == {"search0-history", "search0-pruned"}
    page = (folder / "report.html").read_text()
    assert "Pruning saved about" in page and 'id="search0-pruned"' in page

    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/status.json")}
    status, told = here(*asked, "hydra.sweeper.sampler.seed=1")
    assert status == 0, told
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/status.json")} == before
    assert len(study_in(folder)) == 8

    status, told = here(*asked, "hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_trials=10")
    points = [tuple(sorted(trial.params.items())) for trial in study_in(folder)]
    assert len(points) == 10
    assert len(set(points)) == 10, "the sampler's seed does not replay points"


def test_trials_that_differ_in_epochs_alone_share_a_trajectory(here: Here, tmp_path: Path) -> None:
    status, told = here(
        "hydra/sweeper/sampler=grid", "hydra/sweeper/pruner=none", "trainer.epochs=1,2,4", "hydra.sweeper.n_trials=9"
    )
    assert status == 0, told
    folder = tmp_path / "multirun" / "digits-tune"
    table = load_summary(folder)
    assert sorted(table["epochs"]) == [1, 2, 4]
    assert table["trajectory_id"].nunique() == 1
    rows = [(folder / name / "metrics.csv").read_text().splitlines() for name in table.sort_values("epochs")["run_dir"]]
    seconds_left_out = [[line.split(",")[4:6] for line in lines] for lines in rows]
    assert seconds_left_out[2][:3] == seconds_left_out[1]
    assert seconds_left_out[1][:2] == seconds_left_out[0]


@pytest.mark.slow
def test_several_objectives_have_a_pareto_front_and_no_pruner(here: Here, tmp_path: Path) -> None:
    several = (*SPACE, "hydra.sweeper.objectives=[cfd,train_seconds]", "hydra.sweeper.n_trials=5")
    status, told = here(*several)
    assert status == 2
    assert "hydra/sweeper/pruner: expected none" in told
    status, told = here(*several, "hydra/sweeper/pruner=none", "hydra/sweeper/sampler=nsgaii", "sweep.report=true")
    assert status == 0, told
    folder = tmp_path / "multirun" / "digits-tune"
    (found,) = searches(read_study([folder]))
    assert found.objectives == ("cfd", "train_seconds")
    assert 1 <= len(found.front) <= 5
    study = optuna.load_study(study_name=folder.name, storage=f"sqlite:///{folder / 'study.db'}")
    assert [trial.number for trial in found.front] == sorted(trial.number for trial in study.best_trials)
    assert "On the Pareto front" in (folder / "report.html").read_text()


def test_diverged_trials_fail_and_a_study_of_them_says_so(here: Here, tmp_path: Path) -> None:
    status, told = here("optim.lr=choice(1e30,1e31)", "optim=sgd", "hydra.sweeper.n_trials=2")
    assert status == 1, told
    assert "no trial to choose from: every one of them failed" in told
    assert "DIVERGED" in told
    trials = study_in(tmp_path / "multirun" / "digits-tune")
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 2
    assert all("DIVERGED" in trial.user_attrs["reason"] for trial in trials)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hydra.sweeper.storage=postgresql://127.0.0.1:1/nothing",), "expected a database that answers"),
        (("hydra/sweeper/sampler=oracle",), "hydra/sweeper/sampler/oracle"),
        (("hydra.sweeper.objectives=[beauty]",), "got 'beauty'"),
        (("trainer.batchsize=16,32",), "trainer.batchsize"),
        (("metrics=none",), "a search needs something to optimise"),
        (("hydra.sweeper.n_trials=0",), "hydra.sweeper.n_trials: expected at least 1"),
    ],
)
def test_refused_before_any_job(arguments: tuple[str, ...], message: str, here: Here, tmp_path: Path) -> None:
    status, told = here(*SPACE, *arguments)
    assert status == 2, told
    assert message in told
    assert "Traceback" not in told
    assert not (tmp_path / "multirun").exists()


def test_another_study_in_the_same_directory_is_refused(here: Here, tmp_path: Path) -> None:
    assert here(*SPACE, "hydra.sweeper.n_trials=1")[0] == 0
    status, told = here(*SPACE, "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=other")
    assert status == 2
    assert "another study: expected 'digits-tune', got 'other'" in told


def test_a_dry_run_starts_nothing(here: Here, tmp_path: Path) -> None:
    status, told = here(*SPACE, "sweep.dry_run=true")
    assert status == 0
    assert "minimize cfd" in told and "optim.lr" in told
    assert not (tmp_path / "multirun").exists()


@pytest.mark.slow
def test_killed_three_times_no_trial_is_lost_or_made_twice(tmp_path: Path, data_root: Path) -> None:
    slower = [text for text in SMALL if not text.startswith("trainer.epochs")] + ["trainer.epochs=25"]
    command = [sys.executable, "-m", "ganexp", "--multirun", *slower, *SPACE, "hydra.sweeper.n_trials=8"]
    command += ["hydra.sweeper.sampler.seed=3", "metrics.every_epochs=5"]
    environment = {**os.environ, "GANEXP_DATA": str(data_root), "OMP_NUM_THREADS": "1"}
    folder = tmp_path / "multirun" / "digits-tune"
    chance = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        begun = len(list(folder.glob("*/metrics.csv")))
        until = time.monotonic() + 90
        while process.poll() is None and len(list(folder.glob("*/metrics.csv"))) <= begun and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 0.7))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = study_in(folder)
    assert any(trial.state is TrialState.RUNNING for trial in left), "the last kill left work behind"
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = study_in(folder)
    assert len(trials) == 8
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == 8
    assert len({trial.user_attrs["run_dir"] for trial in trials}) == 8
    for trial in left:
        assert trials[trial.number].params == trial.params, "it went on under its own number"
    for name in (trial.user_attrs["run_dir"] for trial in trials):
        epochs = [line.split(",")[0] for line in (folder / name / "metrics.csv").read_text().splitlines()[1:]]
        assert epochs == [str(epoch) for epoch in range(1, len(epochs) + 1)]
