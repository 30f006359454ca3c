"""The search sweeper: Hydra's Optuna sweeper for searches that are finished once and for all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig

from ganexp.config.mistakes import check_hydra, known_launcher
from ganexp.sweep.sweeper import parse_overrides
from ganexp.types.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """The keys of `hydra.sweeper` as given, but for the space (`ganexp.sweep.conf.SearchConf` documents them)."""

    sampler: Any
    pruner: Any
    objectives: Sequence[str] | None
    direction: Any
    storage: Any
    study_name: str | None
    n_trials: int
    n_jobs: int | None
    max_failure_rate: float
    custom_search_space: str | None

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise ConfigError(f"hydra.sweeper.n_trials: expected at least 1, got {self.n_trials}")
        if self.n_jobs is not None and self.n_jobs < 1:
            raise ConfigError(f"hydra.sweeper.n_jobs: expected at least 1 or null, got {self.n_jobs}")
        if not 0.0 <= self.max_failure_rate <= 1.0:
            raise ConfigError(f"hydra.sweeper.max_failure_rate: expected 0 to 1, got {self.max_failure_rate}")


class SearchSweeper(OptunaSweeper):  # type: ignore[misc]
    """`hydra/sweeper=optuna`: its command line is the Optuna sweeper's; what is done with it is `Search`'s."""

    def __init__(self, params: DictConfig | None = None, **options: Any) -> None:
        self.params = params
        self.options = Options(**{each.name: options.get(each.name) for each in fields(Options)})  # type: ignore[arg-type]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra calls it: makes the launcher, once every key of its own node is known."""
        from ganexp.config.hydra_private import Plugins

        check_hydra(config.hydra)
        self.config, self.hydra_context = config, hydra_context
        with known_launcher():
            self.launcher = Plugins.instance().instantiate_launcher(
                config=config, hydra_context=hydra_context, task_function=task_function
            )

    def sweep(self, arguments: list[str]) -> Any:
        """Finish the study that `arguments` and the configuration describe.

        Raises:
            Refused: before anything was started or written.
            SystemExit: 1 where a trial failed; 130 or 143 where a signal stopped the search.
        """
        from ganexp.sweep.search import command

        params = [f"{key!s}={value}" for key, value in (self.params or {}).items()]
        overrides = parse_overrides(self.hydra_context.config_loader, [*params, *arguments])
        done = command.run(self, overrides)
        sys.stdout.flush()
        return done
