"""Whole searches through the command line."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
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
    tmp_path: Path,
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_losses_figure: None,
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


def test_where_the_classifier_is_too_weak_the_search_goes_by_rfd_and_says_so(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganexp.metrics import classifiers
    from ganexp.metrics.classifier_network import Recipe

    monkeypatch.setattr(classifiers, "OWN_RECIPE", Recipe(epochs=0, least_steps=4, batch_size=8))
    images = np.random.default_rng(0).integers(0, 256, (120, 1, 12, 12), np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(120) % 5)
    data = ("dataset=arrays", f"dataset.images={tmp_path}/x.npz", "dataset.num_images=null")
    asked = ("hydra.sweeper.n_trials=2", "hydra.sweep.dir=found", "trainer.epochs=1", "metrics.num_samples=10")
    status, told = here(*data, SPACE[0], *asked, "hydra/sweeper/pruner=none", f"dataset.root={tmp_path}/root")
    assert status == 0, told
    assert "found: minimize rfd; 2 trials" in told
    for trial in study_in(tmp_path / "found"):
        final = json.loads((tmp_path / "found" / trial.user_attrs["run_dir"] / "result.json").read_text())["final"]
        assert trial.value == final["rfd_half_a"]
        assert final["cfd"] != final["rfd"]


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
    space = ("optim.lr=5e-3,1e-9", "model.latent_dim=range(2,100)")  # what hardly learns is pruned
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
    page = (folder / "report.html").read_text()
    assert "Pruning saved about" in page and 'href="#search"' in page

    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/status.json")}
    status, told = here(*asked, "hydra.sweeper.sampler.seed=1")
    assert status == 0, told
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/status.json")} == before
    assert len(study_in(folder)) == 8

    status, told = here(*asked, "hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_trials=10")
    points = [tuple(sorted(trial.params.items())) for trial in study_in(folder)]
    assert len(points) == 10
    assert len(set(points)) == 10, "the sampler's seed does not replay points"


def test_a_swept_seed_means_the_seeds_of_each_point(here: Here, tmp_path: Path) -> None:
    asked = (SPACE[0], "trainer.epochs=1", "hydra.sweeper.n_trials=2", "seed=0,1")
    status, told = here(*asked)
    assert status == 0, told
    assert "seeds of each point: 0, 1" in told and "over 2 seeds" in told
    folder = tmp_path / "multirun" / "digits-tune"
    trials = study_in(folder)
    assert [set(trial.params) for trial in trials] == [{"optim.lr"}] * 2
    table = load_summary(folder)
    assert sorted(table["seed"]) == [0, 0, 1, 1]
    for trial in trials:
        values = trial.user_attrs["seed_values"]
        assert set(values) == {"0", "1"}
        assert trial.value == pytest.approx(sum(map(math.log, values.values())) / 2)
    status, told = here(*asked[:-1], "hydra.sweeper.seeds=[0,1,2]", "hydra.sweeper.n_trials=3")
    assert status == 2
    assert "hydra.sweeper.seeds: expected [0, 1], got [0, 1, 2]" in told


@pytest.mark.slow
def test_runs_of_another_sweep_are_trials_where_they_are_the_same(here: Here, tmp_path: Path) -> None:
    first = (SPACE[0], "trainer.epochs=1", "hydra/sweeper/pruner=none", "hydra.sweeper.n_trials=2")
    assert here(*first, "sweep.name=first")[0] == 0
    warm = "hydra.sweeper.warm_start=[multirun/digits-first]"
    for _ in range(2):
        status, told = here(*first, warm, "sweep.name=second")
        assert status == 0, told
        trials = study_in(tmp_path / "multirun" / "digits-second")
        assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    taken, own = study_in(tmp_path / "multirun" / "digits-first"), [t for t in trials if "warm_start" in t.user_attrs]
    assert [(t.params, t.value) for t in own] == [(t.params, t.value) for t in taken]
    for other in ("loss=hinge", "metrics.num_samples=32"):
        status, told = here(*first, warm, other, "sweep.name=third", "hydra.sweeper.n_trials=1")
        assert "0 of 2 runs" in told, told
        assert status == 0
        shutil.rmtree(tmp_path / "multirun" / "digits-third")
    status, told = here(*first, "hydra.sweeper.warm_start=[nowhere]", "sweep.name=fourth")
    assert (status, "warm_start: expected directories of sweeps" in told) == (2, True), told


@pytest.mark.slow
def test_a_value_below_an_option_is_drawn_where_the_option_has_it(here: Here, tmp_path: Path) -> None:
    space = ("penalty=r1,none", "penalty.gamma=tag(log,interval(0.1,10))", "trainer.epochs=1")
    asked = (*space, "hydra.sweeper.n_trials=6", "hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=1")
    for _ in range(2):
        status, told = here(*asked)
        assert status == 0, told
        assert "penalty.gamma 0.1 ... 10, log, with penalty=r1" in told
    trials = study_in(tmp_path / "multirun" / "digits-tune")
    assert {trial.params["penalty"] for trial in trials} == {"r1", "none"}
    for trial in trials:
        assert ("penalty.gamma" in trial.params) == (trial.params["penalty"] == "r1")
        assert trial.state is TrialState.COMPLETE or trial.state is TrialState.PRUNED


def test_a_fixed_value_below_a_searched_option_is_for_the_options_that_have_it(here: Here, tmp_path: Path) -> None:
    chosen = ("penalty=r1,none", "++penalty.gamma=7", "hydra/sweeper/sampler=grid", "hydra/sweeper/pruner=none")
    status, told = here(*chosen, "hydra.sweeper.n_trials=2", "trainer.epochs=1")
    assert status == 0, told
    given = [path.read_text() for path in (tmp_path / "multirun" / "digits-tune").glob("*/.hydra/overrides.yaml")]
    assert sorted(("penalty=r1" in text, "++penalty.gamma=7" in text) for text in given) == [
        (False, False),
        (True, True),
    ]


def test_a_failed_trial_that_succeeds_when_tried_again_ends_well(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("trainer.batch_size=16,24", "hydra/sweeper/sampler=grid", "hydra/sweeper/pruner=none")
    asked = (*chosen, "hydra.sweeper.n_trials=2", "trainer.epochs=1")
    with monkeypatch.context() as broken:
        broken.setattr("ganexp.trainer.run.train", lambda *_: 1 / 0)
        assert here(*asked)[0] == 1
    status, told = here(*asked)
    assert status == 1 and "sweep.retry=failed tries again" in told
    for _ in range(2):
        status, told = here(*asked, "sweep.retry=failed")
        assert status == 0, told
        assert "sweep.retry=failed" not in told


@pytest.mark.slow
def test_rungs_go_on_from_checkpoints(here: Here, tmp_path: Path) -> None:
    asked = (SPACE[0], "trainer.epochs=4", "hydra.sweeper.eta=2", "hydra.sweeper.n_trials=4")
    status, told = here(*asked, "sweep.report=true")
    assert status == 0, told
    assert "ASHA, eta 2) at 1, 2, 4 epochs" in told
    folder = tmp_path / "multirun" / "digits-tune"
    trials = study_in(folder)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        assert sorted(trial.intermediate_values) == [1, 2, 4][: len(trial.intermediate_values)]
    best = next(trial for trial in trials if trial.state is TrialState.COMPLETE)
    table = load_summary(folder)
    row = table.set_index("run_id").loc[best.user_attrs["run_id"]]
    shorter = table[(table["trajectory_id"] == row["trajectory_id"]) & (table["epochs"] < 4)]
    assert sorted(shorter["epochs"]) == [1, 2], "each rung keeps its run"
    lines = [(folder / name / "metrics.csv").read_text().splitlines() for name in [*shorter["run_dir"], row["run_dir"]]]
    assert lines[-1][: len(lines[0])] == lines[0], "the seconds of its first epochs too: they were not trained again"
    assert "not among the best 1 in 2" in (folder / "report.md").read_text()
    assert here(*asked)[0] == 0
    assert [trial.state for trial in study_in(folder)] == [trial.state for trial in trials]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hydra.sweeper.eta=1",), "hydra.sweeper.eta: expected a number above 1"),
        (("hydra.sweeper.eta=3", "trainer.epochs=1,2"), "trainer.epochs: expected one value beside hydra.sweeper.eta"),
        (("hydra.sweeper.eta=3", "trainer.max_steps=5"), "trainer.max_steps: expected null beside hydra.sweeper.eta"),
        (("hydra.sweeper.seeds=[0,1]", "seed=3"), "seed: expected no value beside hydra.sweeper.seeds"),
        (("hydra.sweeper.seeds=[0,0]",), "hydra.sweeper.seeds: expected seeds"),
        (("hydra.sweeper.seeds=[]",), "hydra.sweeper.seeds: expected seeds"),
        (("seed=interval(0.0,1.0)",), "seed: expected seeds"),
        (
            ("hydra.sweeper.seeds=[0,1]", "hydra.sweeper.objectives=[cfd,train_seconds]", "hydra/sweeper/pruner=none"),
            "hydra.sweeper.seeds: expected one objective",
        ),
        (("hydra.sweeper.timeout=0",), "hydra.sweeper.timeout: expected seconds above 0"),
    ],
)
def test_seeds_rungs_and_times_that_make_no_sense_are_refused(
    arguments: tuple[str, ...], message: str, here: Here, tmp_path: Path
) -> None:
    status, told = here(SPACE[0], *arguments, "sweep.dry_run=true")
    assert (status, message in told, "Traceback" in told) == (2, True, False), told
    assert not (tmp_path / "multirun").exists()


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
        (("metrics=none",), "there must be something to choose by"),
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
