"""One search from its command to its end: refuse what cannot be, make the trials, say how it stands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from omegaconf import OmegaConf
from optuna.study import Study
from optuna.trial import Trial

from ganexp.config.hydra_private import Override
from ganexp.config.identity import NUMERICS_VERSION
from ganexp.files import owned, plan
from ganexp.files.provenance import git_revision
from ganexp.files.status import now
from ganexp.sweep import own, preflight
from ganexp.sweep.compose import Composer
from ganexp.sweep.points import Point, all_points
from ganexp.sweep.search import show
from ganexp.sweep.search.address import (
    FILE,
    Address,
    Direction,
    address_of,
    make_pruner,
    make_sampler,
    open_storage,
    open_study,
)
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.objectives import directions_of, objectives_of
from ganexp.sweep.search.optuna_private import Drawing, grid_size, grid_values
from ganexp.sweep.search.space import Space, check, space_of
from ganexp.sweep.search.trials import Trials
from ganexp.sweep.stopping import until_stopped
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from ganexp.sweep.search.sweeper import SearchSweeper


def run(sweeper: SearchSweeper, overrides: Sequence[Override]) -> list[Any]:
    """Make a study whole.

    Args:
        sweeper: with Hydra's configuration, context and launcher.
        overrides: of the space and of what all trials have in common.

    Raises:
        Refused: before anything was started or written.
        SystemExit: 1 where a trial failed; 130 or 143 where a signal stopped the search.
    """
    options, config = sweeper.options, sweeper.config
    directory = Path(str(config.hydra.sweep.dir))
    composer = Composer(sweeper.hydra_context.config_loader, config)
    space = space_of(overrides)
    probes = check(composer, space)
    probe = probes[0]
    objectives = objectives_of(probe.config, options.objectives)
    directions = directions_of(probe.config, objectives, options.direction)
    make_sampler(options.sampler, 0)
    pruner = make_pruner(options.pruner)
    if len(objectives) > 1 and not isinstance(pruner, optuna.pruners.NopPruner):
        raise ConfigError(
            "hydra/sweeper/pruner: expected none, as trials with several objectives cannot be pruned, got "
            f"{type(pruner).__name__}"
        )
    address = address_of(config.hydra.sweeper, directory)
    plan.check(directory, plan.read(directory), plan.Plan(NUMERICS_VERSION, address.name, address.shown))
    probes = own.checked(probes, directory, space.keys, study=True)
    show.opening(directory, address, space, options, objectives, directions)
    if config.sweep.dry_run:
        return []
    preflight.check([probe], space.keys)
    text = OmegaConf.to_yaml(config)
    begin = functools.partial(owned.claim, directory, ("trials.json", *([FILE] if address.own else [])), text)
    study = _open(begin, address, directory, directions, options, space, pruner)
    trials = Trials(study, directory, _total(options, study))
    if config.sweep.retry == "failed":
        trials.retry()
    search = Search(
        trials,
        functools.partial(_suggest, Drawing(config, options.custom_search_space), space),
        functools.partial(_identify, composer, space, directory),
        functools.partial(_record, directory, config, overrides, address),
        sweeper.launcher,
        objectives,
        at_once=options.n_jobs,
        most_failures=options.max_failure_rate * options.n_trials,
    )
    owned.write_beside(directory, owned.MULTIRUN, text)
    _record(directory, config, overrides, address)
    show.follow(search, space.keys)
    return _conduct(search, space, report=bool(config.sweep.report))


def _conduct(search: Search, space: Space, *, report: bool) -> list[Any]:
    """Make the trials, and whatever happens write down how it stands, and say so."""
    signal = until_stopped(search.conduct)
    good = show.closing(search, space, interrupted=signal is not None, report=report)
    if signal is not None:
        raise SystemExit(signal)
    if not good:
        raise SystemExit(1)
    return []


def _open(
    begin: Callable[[], None],
    address: Address,
    directory: Path,
    directions: Sequence[Direction],
    options: Any,
    space: Space,
    pruner: optuna.pruners.BasePruner,
) -> Study:
    """The study with its sampler; the sweep directory is made once the storage answers, or for it to lie in."""
    if options.storage is None:
        begin()
    storage = open_storage(address)
    begin()
    known = {summary.study_name: summary for summary in optuna.get_all_study_summaries(storage)}
    trials = known[address.name].n_trials if address.name in known else 0
    sampler = make_sampler(options.sampler, trials)
    if isinstance(sampler, functools.partial):  # the grid sampler, which wants its grid first
        sampler = sampler(_grid(space))
    return open_study(address, storage, directory, directions, sampler, pruner)


def _grid(space: Space) -> dict[str, list[Any]]:
    try:
        return {key: grid_values(d) for key, d in space.distributions.items()}
    except ValueError as error:
        raise ConfigError(
            f"hydra/sweeper/sampler=grid: expected choices and ranges only, got an interval ({error})"
        ) from None


def _total(options: Any, study: Study) -> int:
    """Trials of the study in all: no more than a grid has points."""
    return int(min(options.n_trials, grid_size(study)))


def _suggest(drawing: Drawing, space: Space, trial: Trial) -> tuple[str, ...]:
    """The overrides of a trial's run."""
    overrides = drawing.overrides(trial, space.distributions, space.fixed, space.deletions)
    last = trial.params.get("trainer.epochs", 0)
    milestones = [epoch for epoch in space.milestones() if epoch <= int(last)]
    if milestones and "trainer.milestones" not in space.fixed:
        return (*overrides, f"trainer.milestones=[{','.join(map(str, milestones))}]")
    return overrides


def _identify(composer: Composer, space: Space, directory: Path, overrides: tuple[str, ...]) -> Point:
    return own.noticed(all_points(composer, [overrides], space.keys)[0], directory)


def _record(directory: Path, config: Any, overrides: Sequence[Override], address: Address, *points: Point) -> None:
    """Add runs to plan.json."""
    time, typed = now(), config.hydra.overrides
    command = (*typed.task, *(text for text in typed.hydra if not text.startswith("hydra.mode=")))
    keys = tuple(dict.fromkeys(override.key_or_group for override in overrides))
    request = plan.Request(tuple(command), time, time, (), keys, git_revision())
    runs = [plan.PlannedRun(p.run_id, p.trajectory_id, p.name, p.epochs, p.overrides, p.values) for p in points]
    plan.record(directory, request, runs, numerics_version=NUMERICS_VERSION, study=address.name, storage=address.shown)
