"""The search sweeper: Hydra's Optuna sweeper; the same command again goes on with the study."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig, OmegaConf

from ganexp.config.hydra_private import Override, Plugins
from ganexp.config.mistakes import check_hydra, known_launcher
from ganexp.sweep.sweeper import parse_overrides
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from ganexp.sweep.compose import Composer
    from ganexp.sweep.search.conduct import Search
    from ganexp.sweep.search.space import Space
    from ganexp.sweep.search.study import Address


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
        self.directory = Path(str(config.hydra.sweep.dir))
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
        from ganexp.sweep.search.space import check, objectives_of, space_of

        options, loader, directory = self.options, self.hydra_context.config_loader, self.directory
        params = [f"{key!s}={value}" for key, value in (self.params or {}).items()]
        overrides = parse_overrides(loader, [*params, *arguments])
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
            preflight.check_metrics(probes[:1], space.keys)
            sampler = functools.partial(samplers.make_sampler, options.sampler, distributions=space.distributions)
            text = OmegaConf.to_yaml(self.config)
            opened = study.begin_study(address, directory, text, list(objectives.values()), sampler, pruner)
            search = self._search(opened, address, space, list(objectives), composer, overrides)
            show.follow(search, space.keys)
            closing = functools.partial(show.closing, search, space, report=bool(self.config.sweep.report))
            stopping.run_to_end(search.conduct, closing)
        return []

    def _search(
        self,
        study: Study,
        address: Address,
        space: Space,
        objectives: Sequence[str],
        composer: Composer,
        overrides: Sequence[Override],
    ) -> Search:
        from ganexp.files import owned
        from ganexp.sweep.conduct import record_request
        from ganexp.sweep.points import Point, all_points
        from ganexp.sweep.preflight import with_own_code
        from ganexp.sweep.search.conduct import Search
        from ganexp.sweep.search.optuna_private import ParameterDraw, grid_size
        from ganexp.sweep.search.trials import Trials

        options, directory = self.options, self.directory
        trials = Trials(study, directory, int(min(options.n_trials, grid_size(study))))
        if self.config.sweep.retry == "failed":
            trials.retry()
        drawing = ParameterDraw(self.config, options.custom_search_space)

        def propose(trial: Trial) -> Point:
            return with_own_code(all_points(composer, [space.draw(drawing, trial)], space.keys)[0], directory)

        def record(*points: Point) -> None:
            record_request(directory, self.config, overrides, points, study=address.name, storage=address.shown)

        owned.write_beside(directory, owned.MULTIRUN, OmegaConf.to_yaml(self.config))
        record()
        most_failures = options.max_failure_rate * options.n_trials
        return Search(trials, propose, record, self.launcher, objectives, options.n_jobs, most_failures)


def _check(options: SimpleNamespace) -> None:
    if options.n_trials < 1:
        raise ConfigError(f"hydra.sweeper.n_trials: expected at least 1, got {options.n_trials}")
    if options.n_jobs is not None and options.n_jobs < 1:
        raise ConfigError(f"hydra.sweeper.n_jobs: expected at least 1 or null, got {options.n_jobs}")
    if not 0.0 <= options.max_failure_rate <= 1.0:
        raise ConfigError(f"hydra.sweeper.max_failure_rate: expected 0 to 1, got {options.max_failure_rate}")
