"""What searches cost to find a good setting: `python benchmarks/search.py --replay TABLE [--trials 30]`.

TABLE is a CSV of every training that a search may ask for. `python benchmarks/search.py --train TABLE` makes it:
64 points of the space of `sweep=tune` by Sobol, six seeds, MNIST, 5,000 images, at epochs 1, 2, 5 and 10, which takes
about 100 minutes of two cores. The same command goes on after an interruption; `--points`, `--images`, `--epochs` and
`--dataset` make a smaller one. Its columns are `point`, one a key, `seed`, `epochs`, `cfd` (reference half A),
`train_seconds` and `state`; a card lies beside it (TABLE.md) with the command, the versions and the machine.

A replay charges recorded seconds on one worker, and the epochs of a trajectory once. A proposed point is that of the
table that is nearest to it. Searched are

- random: each point with one seed;
- tpe+median: TPE, pruned by the median, one seed a point, as `sweep=tune`;
- seeds+halving: TPE, successive halving over the table's epochs and seeds 0, 1, 2 with racing.

Best is the point with the lowest geometric mean over the seeds 0, 1, 2 at the last epoch. Announced are the best trial
of the study after each trial's end, and with seeds whichever leads by the seeds so far. Printed are the median of the
charged seconds until the announced point is within 10 % of the best, and the share of searches whose last winner (with
seeds: of those that have all of them) is, by the seeds 3, 4, 5, within 10 % of the best by these, with its 95 %
interval (Wilson).
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

import ganexp
from ganexp.config.hydra_private import JobReturn, JobStatus
from ganexp.config.run_config import conf_dir
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.course import Course, TrialRun
from ganexp.sweep.search.space import space_of
from ganexp.sweep.search.study import Address, open_study
from ganexp.sweep.search.trials import EPOCHS, RUN_ID, TRAJECTORY, Trials
from ganexp.types.endings import State
from throughput import machine

SEEDS, OTHERS, NEAR = (0, 1, 2), (3, 4, 5), 1.1
OUTCOME = ("cfd", "train_seconds", "state")


def space() -> tuple[Mapping[str, BaseDistribution], Mapping[str, Any]]:
    """The space of sweep=tune: searched and fixed keys."""
    preset = yaml.safe_load((conf_dir() / "sweep" / "tune.yaml").read_text())
    texts = [f"{key}={value}" for key, value in preset["hydra"]["sweeper"]["params"].items()]
    found = space_of(OverridesParser.create().parse_overrides(texts))
    return found.distributions, found.fixed


def sobol(points: int) -> list[dict[str, Any]]:
    """Points of the space by a Sobol sequence."""
    distributions, _ = space()
    study = optuna.create_study(sampler=optuna.samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=0))
    drawn = []
    for _ in range(points):
        trial = study.ask(dict(distributions))
        study.tell(trial, 0.0)
        drawn.append(dict(trial.params))
    return drawn


def train(table: Path, options: argparse.Namespace) -> None:
    """Make the table by one sweep in a folder beside it: the points, zipped, by seeds and epochs."""
    fixed, drawn, place = space()[1], sobol(options.points), table.with_suffix("")
    lists = {key: ",".join(str(params[key]) for params in drawn) for key in drawn[0]}
    command = [sys.executable, "-m", "ganexp", "--multirun", f"dataset={options.dataset}"]
    command += [f"{key}={value}" for key, value in {**fixed, **lists}.items()] + [f"sweep.zip=[[{','.join(lists)}]]"]
    command += [f"dataset.num_images={options.images}", f"trainer.epochs={','.join(map(str, options.epochs))}"]
    command += ["seed=range(6)", "trainer.samples_every_epochs=null", "trainer.keep_checkpoints=1"]
    command += ["sweep.report=false", f"hydra.sweep.dir={place}"]
    done = subprocess.run(command)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    points, rows = {float(params["optim.lr"]): number for number, params in enumerate(drawn)}, []
    for run in ganexp.load_summary(place).to_dict("records"):
        number, value = points[float(run["lr"])], run.get("cfd_half_a", run.get("cfd"))
        row = {"point": number, **drawn[number], "seed": run["seed"], "epochs": run["epochs"], "cfd": value}
        rows.append({**row, "train_seconds": run.get("train_seconds"), "state": run["state"]})
    pd.DataFrame(rows).sort_values(["point", "seed", "epochs"]).to_csv(table, index=False)
    words = [" ".join(["python benchmarks/search.py", *sys.argv[1:]]), f"{len(rows)} rows"]
    words += [f"{key} {value}" for key, value in machine().items()]
    table.with_suffix(".csv.md").write_text("\n".join(f"- {word}" for word in words) + "\n")


@dataclass(frozen=True)
class TablePoint:
    """A run that the table holds."""

    overrides: tuple[str, ...]
    planned = ()

    @property
    def values(self) -> dict[str, int]:
        """Its point, seed and epochs."""
        pairs = dict(text.split("=", 1) for text in self.overrides)
        return {key: int(pairs[key]) for key in ("point", "seed", "trainer.epochs")}

    @property
    def epochs(self) -> int:
        """Its epochs."""
        return self.values["trainer.epochs"]

    @property
    def trajectory_id(self) -> str:
        """Of the point and the seed."""
        return f"{self.values['point']}-{self.values['seed']}"

    @property
    def run_id(self) -> str:
        """Of all three."""
        return f"{self.trajectory_id}-{self.epochs}"

    run_dir = run_id


@dataclass
class Table:
    """The table's trainings, and what they have cost so far."""

    frame: pd.DataFrame
    charged: float = 0.0
    paid: dict[str, float] = field(default_factory=dict)  # trajectory -> seconds charged for it
    states: dict[str, State] = field(default_factory=dict)  # run_id -> state of the runs made so far

    def __post_init__(self) -> None:
        self.rows = {(r["point"], r["seed"], r["epochs"]): r for r in self.frame.to_dict("records")}
        self.epochs = sorted({int(each) for each in self.frame["epochs"]})
        self.keys = [key for key in self.frame if key not in ("point", "seed", "epochs", *OUTCOME)]
        firsts = self.frame.drop_duplicates("point").set_index("point")
        self.points = {int(number): dict(row[self.keys]) for number, row in firsts.iterrows()}

    def value(self, point: int, seed: int, epochs: int) -> float:
        """The objective of a training; NaN where it failed."""
        row = self.rows[point, seed, epochs]
        return float(row["cfd"]) if row["state"] == "COMPLETED" else math.nan

    def charge(self, point: TablePoint, epochs: int) -> None:
        """Charge a training up to some epochs, less what its trajectory has had."""
        seconds = float(self.rows[point.values["point"], point.values["seed"], epochs]["train_seconds"] or 0.0)
        more = max(0.0, seconds - self.paid.get(point.trajectory_id, 0.0))
        self.charged += more
        self.paid[point.trajectory_id] = self.paid.get(point.trajectory_id, 0.0) + more

    def nearest(self, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> int:
        """The point nearest to some parameters: choices that differ count 1, numbers by their share of the range."""

        def apart(row: Mapping[str, Any]) -> float:
            total = 0.0
            for key, each in distributions.items():
                if isinstance(each, CategoricalDistribution):
                    total += str(row[key]) != str(params[key])
                else:
                    scale = math.log if each.log else float
                    total += abs(scale(row[key]) - scale(params[key])) / (scale(each.high) - scale(each.low))
            return total

        return min(self.points, key=lambda number: (apart(self.points[number]), number))

    def mean(self, point: int, seeds: tuple[int, ...]) -> float:
        """The geometric mean over seeds at the last epoch; infinity where one failed."""
        values = [self.value(point, seed, self.epochs[-1]) for seed in seeds]
        return float(np.exp(np.mean(np.log(values)))) if all(value > 0 for value in values) else math.inf


class TableFolder:
    """A run's directory, as far as a search looks into it."""

    def __init__(self, table: Table, point: TablePoint) -> None:
        self.table, self.point = table, point

    @property
    def state(self) -> State:
        """How the run stands."""
        return self.table.states.get(self.point.run_id, State.PENDING)

    def result(self) -> dict[str, Any]:
        """Its result.json."""
        return {"final": {"cfd": self.table.value(*self.point.values.values())}}

    def status(self) -> None:
        """Nothing is known beside the state."""

    def rows(self) -> list[dict[str, Any]]:
        """Its metrics.csv."""
        values = self.point.values
        return [{"epoch": e, "cfd": self.table.value(values["point"], values["seed"], e)} for e in self.table.epochs]

    def state_checkpoints(self) -> list[Path]:
        """None."""
        return []


class Replay(Search):
    """A search whose runs are those of a table; `winners` are (seconds charged, point) as they were announced."""

    table: Table

    def run_of(self, trial: Trial, overrides: tuple[str, ...], rung: int = 0, seed: int = 0) -> TrialRun:
        """As a search's own."""
        point = TablePoint(self.course.overrides(overrides, rung, seed))
        trial.set_user_attr(RUN_ID, point.run_id)
        trial.set_user_attr(EPOCHS, [point.epochs, self.table.epochs[-1]])
        trial.set_user_attr(TRAJECTORY, point.trajectory_id)
        trial.set_user_attr("point", point.values["point"])
        return TrialRun(trial, TableFolder(self.table, point), overrides, point, rung, seed)  # type: ignore[arg-type]

    def _overrides(self, run: TrialRun) -> Any:
        return run

    def _after_job(self, number: int, done: JobReturn) -> None:
        run = self._active.pop(number)
        self.close(run, run.folder.state)


class ReplayLauncher:
    """Serves one run after the other from the table."""

    tries = 1

    def __init__(self, table: Table, pruned: bool) -> None:
        self.table, self.pruned = table, pruned

    def at_once(self) -> int:
        """One worker."""
        return 1

    def stream(self, jobs: Iterator[TrialRun], most: int) -> Iterator[tuple[int, JobReturn]]:
        """Each run, charged."""
        for number, run in enumerate(jobs):
            self.table.states[run.point.run_id] = self._train(run)
            yield number, JobReturn(status=JobStatus.COMPLETED)

    def _train(self, run: TrialRun) -> State:
        point: Any = run.point
        for epochs in (each for each in self.table.epochs if each <= point.epochs):
            self.table.charge(point, epochs)
            value = self.table.value(point.values["point"], point.values["seed"], epochs)
            if not value > 0:
                return State.DIVERGED
            if self.pruned:
                run.trial.report(value, epochs)
                if epochs < point.epochs and run.trial.should_prune():
                    return State.PRUNED
        return State.COMPLETED


def replay(frame: pd.DataFrame, kind: str, seed: int, folder: Path, trials: int) -> list[tuple[float, int]]:
    """One search: (seconds charged, winner) each time that a winner was announced."""
    table = Table(frame)
    distributions, _ = space()
    distributions = {key: each for key, each in distributions.items() if key in table.keys}
    random, today = kind == "random", kind == "tpe+median"
    sampler = optuna.samplers.RandomSampler(seed=seed) if random else optuna.samplers.TPESampler(seed=seed)
    pruner = optuna.pruners.MedianPruner() if today else optuna.pruners.NopPruner()
    storage = optuna.storages.InMemoryStorage()
    study = open_study(Address(kind, "memory://"), storage, folder, ["minimize"], sampler, pruner)
    first, last = table.epochs[0], table.epochs[-1]
    eta = round((last / first) ** (1 / max(1, len(table.epochs) - 1)))  # whose rungs the table's epochs are
    course = Course() if random or today else Course(seeds=SEEDS, rungs=tuple(table.epochs), eta=eta)

    def propose(trial: Trial) -> tuple[str, ...]:
        params = {key: trial._suggest(key, each) for key, each in distributions.items()}
        return f"point={table.nearest(params, distributions)}", f"trainer.epochs={last}", "seed=0"

    search = Replay(
        trials=Trials(study, folder, trials),
        propose=propose,
        compose=TablePoint,  # type: ignore[arg-type]
        record=lambda point: None,
        launcher=ReplayLauncher(table, today),
        objectives=["cfd"],
        at_once=1,
        most_failures=trials,
        course=course,
    )
    search.table = table
    winners: list[tuple[float, int]] = []

    def announce(trial: Trial | FrozenTrial, *words: str) -> None:
        winners.append((table.charged, int(trial.user_attrs["point"])))

    def on_end(trial: Trial, *words: str) -> None:
        if any(each.state is TrialState.COMPLETE for each in study.trials):
            announce(study.best_trial)

    if course.seeds:  # whose best by the seeds so far is announced before its trial ends
        search.on_lead = announce
        search.conduct()
        announce(study.best_trial)
    else:
        search.on_end = on_end
        search.conduct()
    return winners


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z, share = 1.959964, hits / trials
    middle, width = share + z * z / (2 * trials), z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return (middle - width) / (1 + z * z / trials), (middle + width) / (1 + z * z / trials)


def measure(frame: pd.DataFrame, kind: str, repetitions: int, trials: int) -> tuple[float, int]:
    """Median charged seconds until the winner is near the best, and how often the last winner is, by other seeds."""
    table = Table(frame)
    best = min(table.mean(point, SEEDS) for point in table.points)
    best_elsewhere = min(table.mean(point, OTHERS) for point in table.points)
    seconds, hits = [], 0
    for seed in range(repetitions):
        with tempfile.TemporaryDirectory() as folder:
            winners = replay(frame, kind, seed, Path(folder), trials)
        near = (cost for cost, point in winners if table.mean(point, SEEDS) <= NEAR * best)
        seconds.append(next(near, math.inf))
        hits += bool(winners) and table.mean(winners[-1][1], OTHERS) <= NEAR * best_elsewhere
    return float(np.median(seconds)), hits


def main() -> None:
    """Train a table, or replay one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--train", type=Path, metavar="TABLE")
    group.add_argument("--replay", type=Path, metavar="TABLE")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=lambda text: [int(each) for each in text.split(",")], default=[1, 2, 5, 10])
    parser.add_argument("--dataset", default="mnist")
    options = parser.parse_args()
    if options.train:
        train(options.train, options)
        return
    frame = pd.read_csv(options.replay, keep_default_na=False, na_values={"cfd": [""], "train_seconds": [""]})
    for kind in ("random", "tpe+median", "seeds+halving"):
        seconds, hits = measure(frame, kind, options.repetitions, options.trials)
        low, high = wilson(hits, options.repetitions)
        share = f"{hits} of {options.repetitions} ({low:.0%} to {high:.0%})"
        print(f"{kind:14} {seconds:8.0f} s to within 10 % of the best; the winner holds on other seeds in {share}")


if __name__ == "__main__":
    main()
