"""Seeds, racing and successive halving: what is launched and what the study hears, without a training."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from ganexp.config.hydra_private import JobReturn, JobStatus
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.sweep.launchers.workers import LATER, WorkerDied
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.course import Course, spread_of
from ganexp.sweep.search.halving import may_go_on, rungs
from ganexp.sweep.search.study import Address, open_study
from ganexp.sweep.search.trials import Trials
from ganexp.types.endings import State

STORAGES: dict[Path, InMemoryStorage] = {}

Objective = Callable[[float, int, int], float]  # of x, seed and epochs


@dataclass(frozen=True)
class FakePoint:
    """What a search needs to know of a run."""

    overrides: tuple[str, ...]

    def value(self, key: str, default: str) -> str:
        return next((text.partition("=")[2] for text in self.overrides if text.startswith(f"{key}=")), default)

    @property
    def epochs(self) -> int:
        return int(self.value("trainer.epochs", "9"))

    @property
    def trajectory_id(self) -> str:
        return f"x{self.value('x', '')}-seed{self.value('seed', '0')}"

    @property
    def run_id(self) -> str:
        return f"{self.trajectory_id}-{self.epochs}"

    run_dir = run_id
    planned = ()


class FakeLauncher:
    """Writes results in place of trainings, some of them at once; gives up after `most` of them, as if killed."""

    tries = 2

    def __init__(self, folder: Path, objective: Objective, most: int = 10**9, crew: int = 1) -> None:
        self.folder, self.objective, self.most, self.crew = folder, objective, most, crew
        self.made: list[str] = []

    def at_once(self) -> int:
        return self.crew

    def stream(self, jobs: Iterator[Any], most: int) -> Iterator[tuple[int, JobReturn]]:
        waiting: list[tuple[int, FakePoint]] = []
        numbers = iter(range(10**9))
        while True:
            while len(waiting) < min(most, self.crew):
                job = next(jobs, None)
                if job is None or job is LATER:
                    break
                waiting.append((next(numbers), FakePoint(tuple(job))))
            if not waiting:
                assert job is None, "the search waits for nobody"
                return
            number, point = waiting.pop(0)
            if len(self.made) == self.most:
                raise KeyboardInterrupt
            yield number, self.make(point)

    def make(self, point: FakePoint) -> JobReturn:
        assert point.run_id not in self.made, "no run is made twice"
        self.made.append(point.run_id)
        value = self.objective(float(point.value("x", "")), int(point.value("seed", "0")), point.epochs)
        folder, ended = self.folder / point.run_dir, State.COMPLETED if math.isfinite(value) else State.DIVERGED
        run = RunFolder(folder)
        run.write_ending(Status(ended, point.epochs, point.epochs, point.run_id, point.trajectory_id))
        content = {"format": 1, "final": {"cfd_half_a": value}, "read_off": None}
        (folder / "result.json").write_text(json.dumps(content))
        done = JobReturn(overrides=list(point.overrides), status=JobStatus.COMPLETED)
        done.return_value = value
        return done


@pytest.fixture(autouse=True)
def results_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result.json of a few keys is one."""

    def read(self: RunFolder) -> Any:
        return json.loads(self.result_json.read_text()) if self.result_json.exists() else None

    monkeypatch.setattr(RunFolder, "result", read)


def search(folder: Path, launcher: FakeLauncher, course: Course, total: int, xs: Sequence[float] = ()) -> Search:
    address = Address("study", "memory://")
    sampler, storage = optuna.samplers.RandomSampler(seed=0), STORAGES.setdefault(folder, InMemoryStorage())
    study = open_study(address, storage, folder, ["minimize"], sampler, optuna.pruners.NopPruner())
    if not study.trials:
        for x in xs:
            study.enqueue_trial({"x": float(x)})

    def propose(trial: optuna.trial.Trial) -> tuple[str, ...]:
        return (f"x={trial.suggest_float('x', 0.5, 100.0)}", "trainer.epochs=9")

    return Search(
        trials=Trials(study, folder, total),
        propose=propose,
        compose=FakePoint,  # type: ignore[arg-type]
        record=lambda point: None,
        launcher=launcher,
        objectives=["cfd"],
        at_once=None,
        most_failures=total,
        course=course,
    )


def noisy(x: float, seed: int, epochs: int) -> float:
    return x * (1.0 + 0.1 * seed) * 9 / epochs


def test_rungs_are_divided_by_eta_and_end_with_all_epochs() -> None:
    assert rungs(10, 3) == (1, 3, 10)
    assert rungs(9, 3) == (1, 3, 9)
    assert rungs(100, 4) == (1, 6, 25, 100)
    assert rungs(1, 3) == (1,)
    assert rungs(5, 1.5) == (1, 2, 3, 5)


def test_the_best_share_goes_on_and_at_least_one_from_a_closed_rung() -> None:
    values = {0: 3.0, 1: 1.0, 2: 2.0, 3: 1.0, 4: 9.0, 5: 8.0}
    assert may_go_on(values, {}, 3, maximise=False, closed=False) == {1, 3}
    assert may_go_on(values, {}, 3, maximise=True, closed=False) == {4, 5}
    assert may_go_on({7: 1.0}, {}, 3, maximise=False, closed=False) == set()
    assert may_go_on({7: 1.0}, {}, 3, maximise=False, closed=True) == {7}


def test_a_point_that_is_proposed_again_takes_no_place_from_others_at_its_rung() -> None:
    values = {0: 1.0, 1: 1.0, 2: 1.0, 3: 2.0, 4: 5.0, 5: 6.0}
    trainings = {0: "a", 1: "a", 2: "a", 3: "b", 4: "c", 5: "d"}
    assert may_go_on(values, trainings, 2, maximise=False, closed=False) == {0, 1, 2, 3}
    assert may_go_on(values, trainings, 4, maximise=False, closed=False) == {0, 1, 2}
    assert may_go_on(values, {}, 2, maximise=False, closed=False) == {0, 1, 2}


@pytest.mark.parametrize(
    ("course", "trainings"),
    [
        (Course(), 27),
        (Course(seeds=(0, 1, 2)), 81),
        (Course(rungs=(1, 3, 9), eta=3), 7),  # 27 + 9 * 2 + 3 * 6 = 63 epochs
        (Course(seeds=(0, 1), rungs=(1, 3, 9), eta=3), 10),
    ],
)
def test_what_a_search_costs_is_said_before(course: Course, trainings: int) -> None:
    assert course.trainings(27) == trainings


def test_a_search_that_proposes_its_best_point_again_does_not_leave_the_second_best_behind(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy, crew=1)
    found = search(tmp_path, launcher, Course(rungs=(1, 3, 9), eta=3), 9, xs=[1, 1, 1, 2, 3, 4, 5, 6, 7])
    found.conduct()
    assert [max(trial.intermediate_values) for trial in found.trials.all()] == [9, 9, 9, 3, 1, 1, 1, 1, 1]
    assert [name for name in launcher.made if name.startswith("x1.0-")] == [
        f"x1.0-seed0-{epochs}" for epochs in (1, 3, 9)
    ]


@pytest.mark.parametrize("crew", [1, 4])
def test_halving_trains_the_best_third_longer_and_prunes_the_others_at_their_rung(tmp_path: Path, crew: int) -> None:
    launcher = FakeLauncher(tmp_path, noisy, crew=crew)
    found = search(tmp_path, launcher, Course(rungs=(1, 3, 9), eta=3), 9, xs=[9, 8, 7, 6, 5, 4, 3, 2, 1])
    found.conduct()
    trials = found.trials.all()
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) >= 1
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    best = trials[8]
    assert (best.state, best.value, best.intermediate_values) == (TrialState.COMPLETE, 1.0, {1: 9.0, 3: 3.0, 9: 1.0})
    assert best.user_attrs["epochs"] == [9, 9]
    for trial in trials:
        made = [name for name in launcher.made if name.startswith(f"x{trial.params['x']}-")]
        assert made == [f"x{trial.params['x']}-seed0-{epochs}" for epochs in sorted(trial.intermediate_values)]
        if trial.state is TrialState.PRUNED:
            assert "not among the best 1 in 3" in trial.user_attrs["dropped"]
            assert trial.user_attrs["run_id"] == made[-1], "its newest run, which the report shows"


def test_a_trial_that_waited_is_promoted_once_others_turn_out_worse(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy)
    found = search(tmp_path, launcher, Course(rungs=(3, 9), eta=3), 3, xs=[5, 6, 7])
    found.conduct()
    assert launcher.made == ["x5.0-seed0-3", "x6.0-seed0-3", "x7.0-seed0-3", "x5.0-seed0-9"]


def test_each_point_gets_its_seeds_and_the_study_hears_the_mean_of_logarithms(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy, crew=2)
    found = search(tmp_path, launcher, Course(seeds=(0, 1, 2)), 2, xs=[5, 7])
    found.conduct()
    assert sorted(launcher.made) == sorted(f"x{x}.0-seed{seed}-9" for x in (5, 7) for seed in (0, 1, 2))
    for trial in found.trials.all():
        values = [noisy(trial.params["x"], seed, 9) for seed in (0, 1, 2)]
        assert trial.value == pytest.approx(np.mean(np.log(values)))
        assert trial.user_attrs["seed_values"] == pytest.approx({"0": values[0], "1": values[1], "2": values[2]})
        assert found.course.shown(trial.value) == pytest.approx(np.prod(values) ** (1 / 3))
        assert spread_of(values) == pytest.approx(np.std(np.log(values), ddof=1))


def test_seeds_go_from_the_best_on_while_luck_explains_it(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy)
    found, said = search(tmp_path, launcher, Course(seeds=(0, 1)), 7, xs=[20, 10, 30, 40, 50, 60, 10.5]), []
    found.on_lead = lambda trial, words: said.append((trial.number, words))
    found.conduct()
    firsts, others = ["x20.0", "x10.0", "x30.0", "x40.0", "x50.0", "x60.0", "x10.5"], ["x10.0", "x10.5"]
    others += ["x20.0", "x30.0", "x40.0"]
    assert launcher.made == [f"{x}-seed{seed}-9" for seed, each in ((0, firsts), (1, others)) for x in each]
    states = [trial.state for trial in found.trials.all()]
    complete, pruned = TrialState.COMPLETE, TrialState.PRUNED
    assert states == [complete, complete, complete, complete, pruned, pruned, complete], "from five points on"
    dropped = found.trials.all()[5]
    assert dropped.value == pytest.approx(math.log(60.0)), "the mean of the seeds it had"
    assert "racing: its first seed is" in dropped.user_attrs["dropped"]
    assert said[:2] == [(0, "cfd 20, 1 of 2 seeds"), (1, "cfd 10, 1 of 2 seeds")]


def test_one_that_leads_gets_its_seeds_early_while_they_are_a_tenth_of_the_training(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, lambda x, seed, epochs: x)
    xs = [20, 10, *range(50, 57), 5, 4, *range(60, 70)]
    search(tmp_path, launcher, Course(seeds=(0, 1)), len(xs), xs=xs).conduct()
    firsts = [number for number, run in enumerate(launcher.made) if "seed0" in run]
    early = [run for run in launcher.made[: firsts[-1]] if "seed1" in run]
    assert early == ["x10.0-seed1-9", "x4.0-seed1-9"], "after 9 and 18 first seeds, to what led by then"
    assert [launcher.made.index(run) for run in early] == [9, 19]


def test_samplers_see_what_is_known_of_trials_that_wait(tmp_path: Path) -> None:
    class Watching(optuna.samplers.RandomSampler):
        seen: Sequence[tuple[TrialState, Any]] = ()

        def before_trial(self, study: Any, trial: Any) -> None:
            others = study.get_trials()[: trial.number]
            self.seen = [(each.state, each.intermediate_values or round(math.exp(each.value), 6)) for each in others]

    complete, pruned = TrialState.COMPLETE, TrialState.PRUNED
    first, second = (round(noisy(x, 0, 9), 6) for x in (10, 20))
    for name, course, expected in (
        ("seeds", Course(seeds=(0, 1)), [(complete, first), (complete, second)]),
        ("rungs", Course(rungs=(3, 9), eta=3), [(pruned, {3: noisy(x, 0, 3)}) for x in (10, 20)]),
    ):
        (tmp_path / name).mkdir()
        found = search(tmp_path / name, FakeLauncher(tmp_path / name, noisy), course, 3, xs=[10, 20, 30])
        found.trials.study.sampler = sampler = Watching()
        found.conduct()
        assert sampler.seen == expected
        assert {trial.state for trial in found.trials.all()} <= {complete, pruned}


def test_a_failed_seed_fails_the_point_once_and_gives_up_its_other_seeds(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, lambda x, seed, epochs: math.nan if seed == 1 else x)
    found = search(tmp_path, launcher, Course(seeds=(0, 1, 2, 3)), 1, xs=[5])
    ends: list[str] = []
    found.on_end = lambda trial, ending, words: ends.append(ending)
    found.conduct()
    assert ends == [State.DIVERGED]
    assert launcher.made == ["x5.0-seed0-9", "x5.0-seed1-9"]
    assert found.trials.all()[0].state is TrialState.FAIL


@pytest.mark.parametrize("crew", [1, 3])
def test_killed_again_and_again_no_run_is_made_twice_and_all_trials_end(tmp_path: Path, crew: int) -> None:
    undisturbed = FakeLauncher(tmp_path / "whole", noisy)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    course = Course(seeds=(0, 1), rungs=(1, 3, 9), eta=3)
    search(tmp_path / "whole", undisturbed, course, 12).conduct()
    made: list[str] = []
    for most in (3, 2, 4, 10**9):
        launcher = FakeLauncher(tmp_path / "killed", noisy, most, crew)
        try:
            found = search(tmp_path / "killed", launcher, course, 12)
            found.conduct()
        except KeyboardInterrupt:
            pass
        made += launcher.made
    assert len(set(made)) == len(made)
    trials = found.trials.all()
    assert len(trials) == 12
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    assert complete and all(len(trial.user_attrs["seed_values"]) == 2 for trial in complete)


def test_a_worker_that_dies_is_replaced_for_that_run_alone(tmp_path: Path) -> None:
    class Dying(FakeLauncher):
        died = False

        def make(self, point: FakePoint) -> JobReturn:
            if point.value("seed", "0") == "1" and not self.died:
                self.died = True
                lost = JobReturn(overrides=list(point.overrides), status=JobStatus.FAILED)
                lost.return_value = WorkerDied("killed")
                return lost
            return super().make(point)

    launcher = Dying(tmp_path, noisy)
    found = search(tmp_path, launcher, Course(seeds=(0, 1)), 1, xs=[5])
    found.conduct()
    assert launcher.made == ["x5.0-seed0-9", "x5.0-seed1-9"]
    assert found.trials.all()[0].state is TrialState.COMPLETE


def test_the_time_of_a_study_ends_it_over_all_commands(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy)
    found = search(tmp_path, launcher, Course(), 3)
    found.timeout = 1e-9
    found.conduct()
    assert (launcher.made, found.timed_out) == ([], True)
    found = search(tmp_path, launcher, Course(), 3)
    found.timeout = 3600.0
    found.conduct()
    assert (len(launcher.made), found.timed_out) == (3, False)
    found.trials.study.set_user_attr("seconds-earlier", 3600.0)
    found = search(tmp_path, launcher, Course(), 5)
    found.timeout = 3600.0
    found.conduct()
    assert (len(launcher.made), found.timed_out) == (3, True)


def test_a_trial_that_was_at_work_goes_on_when_the_time_is_over(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy)
    gone = search(tmp_path, launcher, Course(), 3)
    with gone.trials.held():
        assert gone.trials.ask(gone._proposed) is not None
    found = search(tmp_path, launcher, Course(), 3)
    found.timeout = 1e-9
    found.conduct()
    assert [trial.state for trial in found.trials.all()] == [TrialState.COMPLETE]


def test_earlier_failures_count_towards_what_is_allowed(tmp_path: Path) -> None:
    launcher = FakeLauncher(tmp_path, noisy)
    found = search(tmp_path, launcher, Course(), 3)
    found.trials.study.tell(found.trials.study.ask(), state=TrialState.FAIL)
    found.most_failures = 0
    found.conduct()
    assert (launcher.made, found.too_many_failed) == ([], True)
