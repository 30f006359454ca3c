"""The jobs of a sweep: one for each trajectory with missing runs, and what a worker does with it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.sweep.points import Point
from ganexp.types.endings import State, ending
from ganexp.types.errors import ConfigError, LeaseLost, in_words
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ganexp.config.run_spec import RunSpec

log = logging.getLogger("ganexp")


@dataclass(frozen=True)
class Job:
    """One training."""

    point: Point  # the longest run that it makes
    read_off: tuple[Point, ...] = ()  # shorter runs of its trajectory, written as it passes their last epochs

    @property
    def points(self) -> tuple[Point, ...]:
        """Every run that it makes."""
        return (*self.read_off, self.point)

    @property
    def overrides(self) -> list[str]:
        """Those of the longest run, and the epochs whose runs are read off."""
        if not self.read_off:
            return list(self.point.overrides)
        epochs = [point.epochs for point in self.read_off]
        milestones = sorted({*self.point.milestones, *epochs})
        others = [text for text in self.point.overrides if _key(text) not in ("trainer.milestones", "sweep.read_off")]
        return [*others, f"trainer.milestones={_list(milestones)}", f"sweep.read_off={_list(epochs)}"]


def distinct(points: Iterable[Point]) -> list[Point]:
    """The first point of each run_id."""
    first: dict[str, Point] = {}
    for point in points:
        first.setdefault(point.run_id, point)
    return list(first.values())


def jobs_for(missing: Iterable[Point], done: Iterable[Point] = ()) -> list[Job]:
    """The jobs that make the runs in `missing`, the one that is likely to take longest first.

    Runs of one trajectory are one job, unless a run in `done` lies between them: a job starts from the longest finished
    run that is shorter than its own longest, and so never passes the epochs before that.
    """
    jobs: list[Job] = []
    finished = by_trajectory(done)
    for identifier, runs in by_trajectory(missing).items():
        jobs += _of_trajectory(runs, [point.epochs for point in finished.get(identifier, ())])
    return sorted(jobs, key=lambda job: -job.point.weight)


def by_trajectory(points: Iterable[Point]) -> dict[str, list[Point]]:
    """trajectory_id -> its points, in order."""
    trajectories: dict[str, list[Point]] = {}
    for point in points:
        trajectories.setdefault(point.trajectory_id, []).append(point)
    return trajectories


def _of_trajectory(runs: Sequence[Point], finished: Collection[int]) -> list[Job]:
    alone = [Job(point) for point in runs if not point.shareable]
    stretches: dict[int, list[Point]] = {}
    for point in sorted((p for p in runs if p.shareable), key=lambda p: p.epochs):
        start = max((epochs for epochs in finished if epochs < point.epochs), default=0)
        stretches.setdefault(start, []).append(point)
    return [*alone, *(Job(group[-1], tuple(group[:-1])) for group in stretches.values())]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _list(epochs: Sequence[int]) -> str:
    return f"[{','.join(str(epoch) for epoch in epochs)}]"


def run_job(spec: RunSpec, cfg: DictConfig, hydra: Any) -> float | None:
    """Train a trajectory of a sweep; errors become the state of its runs, not exceptions.

    Raises:
        ConfigError: the configuration, the data or own code changed since the sweep was planned.
        SystemExit: 128 + n where signal n told this process to stop.
    """
    from ganexp.trainer.run import execute
    from ganexp.trainer.signals import REQUEUEING

    _check_planned(spec)
    spec = replace(spec, should_prune=_pruning_rule(cfg, hydra))
    try:
        outcome = execute(spec)
    except LeaseLost as error:
        log.warning("%s", error)
        return None
    except Exception as error:
        end = ending(error)
        log.error("%s failed: %s: %s", spec.directory, type(error).__name__, plain(in_words(error)))
        _spread(spec, State.FAILED, end.reason)
        return None
    if outcome.state is State.INTERRUPTED and outcome.signal is not None:
        if outcome.signal in REQUEUEING:
            os.kill(os.getpid(), outcome.signal)  # to the engine's own handler, now that the run is saved
        raise SystemExit(128 + outcome.signal)
    if outcome.state in (State.FAILED, State.DIVERGED):
        _spread(spec, outcome.state, {"type": outcome.state.title(), "message": outcome.message})
    return outcome.objective


def _check_planned(spec: RunSpec) -> None:
    """Refuse a job that is not what the sweep planned."""
    from ganexp.config.own_code import check_planned, own_code

    planned = spec.config.sweep.run_id
    if planned not in (None, spec.identity.run_id):
        raise ConfigError(
            f"the configuration or the data changed since the sweep was planned: expected run {planned}, got "
            f"{spec.identity.run_id}; the same command again makes a new plan"
        )
    check_planned(spec.config.sweep.own_code, own_code(spec.config), spec.config.changed_code)


def _pruning_rule(cfg: DictConfig, hydra: Any) -> Callable[[int, float], bool] | None:
    """Decides whether a trial of a search is pruned; None for other runs, and where nothing prunes."""
    if cfg.sweep.trial is None or len(hydra.sweeper.get("objectives") or [""]) > 1:
        return None
    from ganexp.sweep.search.samplers import make_pruner
    from ganexp.sweep.search.study import Judge, address_of

    address = address_of(hydra.sweeper, Path(str(hydra.sweep.dir)))
    return Judge(address, int(cfg.sweep.trial), make_pruner(hydra.sweeper.pruner))


def _spread(spec: RunSpec, state: State, error: dict[str, str] | None) -> None:
    """Write the state in which a trajectory ended to those of its runs that were not reached."""
    from ganexp.trainer.trajectory import shorter

    for run in (*(shorter(spec, epochs) for epochs in spec.config.sweep.read_off), spec):
        run.folder.write_ending(run.new_status(state, error=error), run.texts, run.identity.content)
