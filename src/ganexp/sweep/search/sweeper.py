"""The search sweeper: Hydra's Optuna sweeper; the same command again goes on with the study."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig, OmegaConf

from ganexp.config.hydra_keys import check_hydra
from ganexp.config.hydra_private import Override, Plugins
from ganexp.config.mistakes import known_launcher
from ganexp.sweep.directory import opened
from ganexp.sweep.sweeper import parse_overrides, preset_overrides
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from ganexp.sweep.compose import Composer
    from ganexp.sweep.points import Point
    from ganexp.sweep.search.conduct import Search
    from ganexp.sweep.search.space import Space
    from ganexp.sweep.search.study import Address
    from ganexp.sweep.search.trials import Trials


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
        from ganexp.sweep import preflight, stopping
        from ganexp.sweep.compose import Composer
        from ganexp.sweep.search import samplers, show, study
        from ganexp.sweep.search.same_study import one_protocol
        from ganexp.sweep.search.space import check, objectives_of, space_of

        options, loader, directory = self.options, self.hydra_context.config_loader, self.directory
        overrides = parse_overrides(loader, [*preset_overrides(self.params, self.config), *arguments])
        composer = Composer(loader, self.config)
        space = space_of(overrides)
        probes = check(composer, space)
        objectives = objectives_of(probes[0].config, options.objectives, options.direction)
        samplers.make_sampler(options.sampler, 0, space.distributions)
        pruner = samplers.make_pruner(options.pruner, len(objectives))
        address = study.address_of(self.config.hydra.sweeper, directory)
        plan.check(directory, plan.Plan(NUMERICS_VERSION, address.name, address.shown))
        probes = preflight.check_own_code(probes, directory, space.keys, study=True)
        show.opening(directory, address, space, options, objectives)
        if not self.config.sweep.dry_run:
            protocol = one_protocol(preflight.check_metrics(probes, space.keys), list(objectives), space.keys)
            sampler = functools.partial(samplers.make_sampler, options.sampler, distributions=space.distributions)
            text = OmegaConf.to_yaml(self.config)
            opened = study.begin_study(address, directory, text, list(objectives.values()), sampler, pruner)
            space = space.in_order_of(opened.get_trials(deepcopy=False))
            search = self._search(opened, address, space, protocol, list(objectives), composer, overrides)
            show.follow(search, space.keys)
            closing = functools.partial(show.closing, search, space, report=bool(self.config.sweep.report))
            stopping.run_to_end(search.conduct, closing, self.config.sweep, self.launcher)
        return []

    def _search(
        self,
        study: Study,
        address: Address,
        space: Space,
        protocol: Mapping[str, str],
        objectives: Sequence[str],
        composer: Composer,
        overrides: Sequence[Override],
    ) -> Search:
        from ganexp.files import owned
        from ganexp.sweep.conduct import record_request
        from ganexp.sweep.points import all_points
        from ganexp.sweep.preflight import with_own_code
        from ganexp.sweep.search.conduct import Search
        from ganexp.sweep.search.optuna_private import ParameterDraw

        options, directory = self.options, self.directory

        def run_of(overrides: tuple[str, ...]) -> Point:
            return all_points(composer, [overrides], space.keys)[0]

        trials = self._trials(study, space, protocol, run_of)
        drawing = ParameterDraw(self.config, options.custom_search_space)

        def propose(trial: Trial) -> Point:
            return with_own_code(run_of(space.draw(drawing, trial)), directory)

        def record(*points: Point) -> None:
            record_request(directory, self.config, overrides, points, study=address.name, storage=address.shown)

        owned.write_beside(directory, owned.MULTIRUN, OmegaConf.to_yaml(self.config))
        record()
        most = options.max_failure_rate * options.n_trials
        stop = bool(self.config.sweep.stop_on_failure)
        return Search(trials, propose, record, self.launcher, objectives, options.n_jobs, most, protocol, stop)

    def _trials(
        self, study: Study, space: Space, protocol: Mapping[str, str], run_of: Callable[[tuple[str, ...]], Point]
    ) -> Trials:
        """The trials of the study, compared with this search."""
        from ganexp.sweep.search.optuna_private import grid_size
        from ganexp.sweep.search.same_study import SameStudy
        from ganexp.sweep.search.trials import Trials, counted

        size, dynamic = grid_size(study), self.options.custom_search_space is not None
        same = SameStudy(self.directory, study.study_name, space, dynamic, size < float("inf"), protocol, run_of)
        trials = Trials(study, self.directory, int(min(self.options.n_trials, size)), same.check)
        retry, all_trials = self.config.sweep.retry == "failed", trials.all()
        going_on = any(not trial.state.is_finished() for trial in all_trials) or len(counted(all_trials)) < trials.total
        same.check(all_trials, asking=retry or going_on)
        if retry:
            trials.retry()
        return trials


def _check(options: SimpleNamespace) -> None:
    if options.n_trials < 1:
        raise ConfigError(f"hydra.sweeper.n_trials: expected at least 1, got {options.n_trials}")
    if options.n_jobs is not None and options.n_jobs < 1:
        raise ConfigError(f"hydra.sweeper.n_jobs: expected at least 1 or null, got {options.n_jobs}")
    if not 0.0 <= options.max_failure_rate <= 1.0:
        raise ConfigError(f"hydra.sweeper.max_failure_rate: expected 0 to 1, got {options.max_failure_rate}")
