"""The search sweeper: Hydra's Optuna sweeper; the same command again goes on with the study."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig, OmegaConf

from ganexp.config.hydra_keys import check_hydra
from ganexp.config.hydra_private import Override, Plugins
from ganexp.config.mistakes import known_launcher
from ganexp.sweep.directory import opened
from ganexp.sweep.sweeper import parse_overrides, preset_overrides
from ganexp.types.errors import ConfigError
from ganexp.types.terminal import count, say

if TYPE_CHECKING:
    from optuna.study import Study

    from ganexp.sweep.compose import Composer
    from ganexp.sweep.points import Point
    from ganexp.sweep.search.conduct import Search
    from ganexp.sweep.search.course import Course
    from ganexp.sweep.search.same_study import SameStudy
    from ganexp.sweep.search.space import Space
    from ganexp.sweep.search.study import Address, Direction
    from ganexp.sweep.search.trials import Trials

NO_PRUNER = {"_target_": "optuna.pruners.NopPruner"}


class _Asked(NamedTuple):
    """What the command line and the configuration ask for."""

    address: Address
    space: Space
    probes: Sequence[Point]
    objectives: Mapping[str, Direction]
    composer: Composer
    overrides: Sequence[Override]
    course: Course


class SearchSweeper(OptunaSweeper):  # type: ignore[misc]
    """`hydra/sweeper=optuna`: its command line is the Optuna sweeper's; `Search` makes the trials.

    Imports are inside its methods because Optuna, torch and pandas are slow to import, and other commands need none.
    """

    def __init__(self, params: DictConfig | None = None, **options: Any) -> None:
        self.params, self.options = params, SimpleNamespace(**options)  # `SearchConf` documents them

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra calls it; refuses unknown keys first, then makes the launcher."""
        check_hydra(config.hydra)
        _check(self.options)
        self.config, self.hydra_context = config, hydra_context
        self.directory = opened(config)
        with known_launcher():
            self.launcher = Plugins.instance().instantiate_launcher(
                config=config, hydra_context=hydra_context, task_function=task_function
            )

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Finish the study that `arguments` and the configuration describe.

        Raises:
            Refused: before anything was started or written.
            SystemExit: 1 where a trial failed; 130 or 143 where a signal stopped the search.
        """
        from ganexp.config.run_spec import NUMERICS_VERSION
        from ganexp.files import plan
        from ganexp.sweep import dry_run, preflight
        from ganexp.sweep.compose import Composer
        from ganexp.sweep.search import samplers, show, study
        from ganexp.sweep.search.space import check, objectives_of, space_of, without_seeds

        seeds_of = "whose hydra.sweeper.seeds are those of a trial"
        for key, why in (("until", seeds_of), ("zip", "which draws each key"), ("max_runs", "which has n_trials")):
            if (value := self.config.sweep[key]) not in (None, []):
                raise ConfigError(f"sweep.{key}: expected null in a search, {why}, got {value}")
        options, loader, directory = self.options, self.hydra_context.config_loader, self.directory
        overrides = parse_overrides(loader, [*preset_overrides(self.params, self.config), *arguments])
        composer = Composer(loader, self.config)
        space, seeds = without_seeds(space_of(overrides, composer), options.seeds)
        probes = check(composer, space)
        objectives = objectives_of(probes[0].config, options.objectives, options.direction)
        course = self._course(seeds, space, probes, objectives)
        samplers.make_sampler(options.sampler, 0, space.distributions)
        pruner = samplers.make_pruner(NO_PRUNER if course.rungs else options.pruner, len(objectives))
        address = study.address_of(self.config.hydra.sweeper, directory)
        plan.check(directory, plan.Plan(NUMERICS_VERSION, address.name, address.shown))
        probes = preflight.check_own_code(probes, directory, space.keys, study=True)
        asked = _Asked(address, space, probes, objectives, composer, overrides, course)
        if self.config.sweep.dry_run:
            show.opening(directory, options, asked, _runs(composer, space))
            self._compare(asked)
            dry_run.show_search(directory, probes, options.n_trials, course.trainings(options.n_trials), self.launcher)
        else:
            self._conduct(asked, pruner)
        return []

    def _conduct(self, asked: _Asked, pruner: Any) -> None:
        """Open the study, and make its trials."""
        from ganexp.sweep import stopping
        from ganexp.sweep.search import samplers, show, study

        asked, protocol = self._measured(asked)
        show.opening(self.directory, self.options, asked, _runs(asked.composer, asked.space))
        sampler = functools.partial(
            samplers.make_sampler, self.options.sampler, distributions=asked.space.distributions
        )
        text, directions = OmegaConf.to_yaml(self.config), list(asked.objectives.values())
        opened = study.begin_study(asked.address, self.directory, text, directions, sampler, pruner)
        asked = asked._replace(space=asked.space.in_order_of(opened.get_trials(deepcopy=False)))
        search = self._search(opened, asked, protocol)
        show.follow(search, asked.space.keys)
        closing = functools.partial(show.closing, search, asked.space, report=bool(self.config.sweep.report))
        stopping.run_to_end(search.conduct, closing, self.config.sweep, self.launcher)

    def _measured(self, asked: _Asked) -> tuple[_Asked, Mapping[str, str]]:
        """The search with the objective that its metrics, once prepared, choose by, and how that is measured."""
        from ganexp.sweep.preflight import check_metrics
        from ganexp.sweep.search.same_study import heeded, one_protocol

        measured = check_metrics(asked.probes, asked.space.keys)
        objectives = asked.objectives if self.options.objectives else heeded(asked.objectives, measured)
        protocol = one_protocol(measured, list(objectives), asked.space.keys)
        return asked._replace(objectives=objectives), protocol

    def _course(
        self, seeds: tuple[int, ...], space: Space, probes: Sequence[Point], objectives: Mapping[str, str]
    ) -> Course:
        """What trials go through: seeds, and rungs where `hydra.sweeper.eta` asks for them."""
        from ganexp.sweep.search.course import Course
        from ganexp.sweep.search.halving import rungs

        eta, maximise = self.options.eta, "maximize" in objectives.values()
        key = "hydra.sweeper.seeds" if seeds else "hydra.sweeper.eta"
        if len(objectives) > 1 and (seeds or eta):
            raise ConfigError(f"{key}: expected one objective, got {' and '.join(objectives)}")
        if eta is None:
            return Course(seeds, maximise=maximise)
        if not 1 < eta < float("inf"):
            raise ConfigError(f"hydra.sweeper.eta: expected a number above 1, or null, got {eta}")
        if "trainer.epochs" in space.distributions:
            raise ConfigError("trainer.epochs: expected one value beside hydra.sweeper.eta, whose rungs are epochs")
        for name in ("max_steps", "max_seconds"):
            if any(getattr(point.config.trainer, name) is not None for point in probes):
                raise ConfigError(f"trainer.{name}: expected null beside hydra.sweeper.eta, whose rungs are epochs")
        return Course(seeds, rungs(probes[0].epochs, eta), eta, maximise)

    def _compare(self, asked: _Asked) -> None:
        """Refuse another search than that of the study that is there, as the first trial would be; writes nothing."""
        from ganexp.sweep.search.study import trials_there

        if there := trials_there(asked.address):
            asked, protocol = self._measured(asked._replace(space=asked.space.in_order_of(there)))
            grid = str(self.options.sampler.get("_target_")).endswith("GridSampler")
            self._same(asked, asked.address.name, protocol, grid=grid).check(there)

    def _same(self, asked: _Asked, name: str, protocol: Mapping[str, str], *, grid: bool) -> SameStudy:
        from ganexp.sweep.search.same_study import SameStudy

        dynamic, run_of = self.options.custom_search_space is not None, _runs(asked.composer, asked.space)
        return SameStudy(self.directory, name, asked.space, dynamic, grid, protocol, run_of, asked.course.seeds)

    def _search(self, study: Study, asked: _Asked, protocol: Mapping[str, str]) -> Search:
        from ganexp.files import owned
        from ganexp.sweep.conduct import record_request
        from ganexp.sweep.preflight import with_own_code
        from ganexp.sweep.search.conduct import Search
        from ganexp.sweep.search.optuna_private import ParameterDraw

        options, directory, space, address = self.options, self.directory, asked.space, asked.address
        run_of = _runs(asked.composer, space)
        trials = self._trials(study, asked, protocol)
        drawing = ParameterDraw(self.config, options.custom_search_space)

        def compose(overrides: tuple[str, ...]) -> Point:
            return with_own_code(run_of(overrides), directory)

        def record(*points: Point) -> None:
            record_request(directory, self.config, asked.overrides, points, study=address.name, storage=address.shown)

        owned.write_beside(directory, owned.MULTIRUN, OmegaConf.to_yaml(self.config))
        record()
        search = Search(
            trials=trials,
            propose=functools.partial(space.draw, drawing),
            compose=compose,
            record=record,
            launcher=self.launcher,
            objectives=list(asked.objectives),
            at_once=options.n_jobs,
            most_failures=options.max_failure_rate * options.n_trials,
            protocol=protocol,
            course=asked.course,
            stop_on_failure=bool(self.config.sweep.stop_on_failure),
            timeout=options.timeout,
        )
        if options.warm_start:
            self._warm(trials, asked, protocol)
        return search

    def _warm(self, trials: Trials, asked: _Asked, protocol: Mapping[str, str]) -> None:
        """Take finished runs of other sweeps as trials."""
        from ganexp.sweep.search.warm import Warm

        run_of = _runs(asked.composer, asked.space)
        new = trials.add(Warm(asked.space, asked.course, protocol, run_of).trials(self.options.warm_start))
        say(f"warm start: {count(new, 'new trial')} for free")

    def _trials(self, study: Study, asked: _Asked, protocol: Mapping[str, str]) -> Trials:
        """The trials of the study, compared with this search."""
        from ganexp.sweep.search.optuna_private import grid_size
        from ganexp.sweep.search.trials import Trials, counted

        size = grid_size(study)
        same = self._same(asked, study.study_name, protocol, grid=size < float("inf"))
        trials = Trials(study, self.directory, int(min(self.options.n_trials, size)), same.check)
        retry, all_trials = self.config.sweep.retry == "failed", trials.all()
        going_on = any(not trial.state.is_finished() for trial in all_trials) or len(counted(all_trials)) < trials.total
        same.check(all_trials, asking=retry or going_on)
        if retry:
            trials.retry()
        return trials


def _runs(composer: Composer, space: Space) -> Callable[[tuple[str, ...]], Point]:
    """The run of some overrides; raises ConfigError or DataError where it is refused."""
    from ganexp.sweep.points import all_points

    return lambda overrides: all_points(composer, [overrides], space.keys)[0]


def _check(options: SimpleNamespace) -> None:
    if options.n_trials < 1:
        raise ConfigError(f"hydra.sweeper.n_trials: expected at least 1, got {options.n_trials}")
    if options.n_jobs is not None and options.n_jobs < 1:
        raise ConfigError(f"hydra.sweeper.n_jobs: expected at least 1 or null, got {options.n_jobs}")
    if options.timeout is not None and not options.timeout > 0:
        raise ConfigError(f"hydra.sweeper.timeout: expected seconds above 0, or null, got {options.timeout}")
    if not 0.0 <= options.max_failure_rate <= 1.0:
        raise ConfigError(f"hydra.sweeper.max_failure_rate: expected 0 to 1, got {options.max_failure_rate}")
