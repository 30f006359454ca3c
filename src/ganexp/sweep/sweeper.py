"""The grid sweeper: validates every point, plans, launches what is missing, and tells how it ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ganexp.config.hydra_private import BasicSweeper, ConfigLoader, Override, OverridesParser
from ganexp.config.mistakes import check_hydra, known_launcher
from ganexp.types.errors import ConfigError
from ganexp.types.terminal import LONG_TABLE, say

NOT_SWEPT = ("sweep", "trust")
"""Keys that are about the sweep as a whole."""


class GridSweeper(BasicSweeper):
    """`hydra/sweeper=grid`: Hydra's basic sweeper for grids that are finished once and for all.

    Its command line is the basic sweeper's, with `sweep.zip`, `sweep.dry_run` and `sweep.retry` besides. All points
    are composed and validated first; runs of one trajectory share a job; what a sweep directory holds already is
    left alone.
    """

    def __init__(self, max_batch_size: int | None = None, params: Any = None, **unknown: Any) -> None:
        super().__init__(max_batch_size=max_batch_size, params=params)  # `setup` refuses what is unknown

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra calls it, once every key of its own node is known."""
        check_hydra(config.hydra)
        with known_launcher():
            super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Make every run that `arguments` ask for.

        Raises:
            Refused: before anything was started or written.
            SystemExit: 1 where a run that was asked for is not COMPLETED; 130 or 143 where a signal stopped the sweep.
        """
        from ganexp.sweep.expand import axes, check_size, points, swept_keys

        assert self.config is not None and self.hydra_context is not None and self.launcher is not None
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise ConfigError(f"hydra.sweeper.max_batch_size: expected at least 1 or null, got {self.max_batch_size}")
        options = self.config.sweep
        overrides = self._parse(arguments)
        grid = axes(overrides, [list(keys) for keys in options.zip])
        directory = Path(str(self.config.hydra.sweep.dir))
        if check_size(grid) > LONG_TABLE:
            say(f"{directory}: {check_size(grid):,} points to compose")

        from ganexp.config.identity import NUMERICS_VERSION
        from ganexp.files import plan
        from ganexp.sweep import dry_run, own, preflight, show
        from ganexp.sweep.compose import Composer
        from ganexp.sweep.conduct import Conductor
        from ganexp.sweep.jobs import distinct
        from ganexp.sweep.points import all_points

        keys = swept_keys(grid)
        asked = all_points(Composer(self.hydra_context.config_loader, self.config), list(points(grid)), keys)
        wanted = distinct(asked)
        plan.check(directory, plan.read(directory), plan.Plan(NUMERICS_VERSION))
        wanted = own.checked(wanted, directory, keys)
        conductor = Conductor(directory, wanted, self.launcher, self.max_batch_size, retry=options.retry == "failed")
        show.opening(directory, asked, wanted)
        if options.dry_run:
            dry_run.show(conductor, keys)
            return []
        preflight.check([point for job in conductor.jobs(conductor.states()) for point in job.points], keys)
        conductor.record(self.config, list(dict.fromkeys(override.key_or_group for override in overrides)))
        show.follow(conductor, keys)
        return self._conduct(conductor, keys, report=bool(options.report))

    def _conduct(self, conductor: Any, keys: Sequence[str], *, report: bool) -> list[Any]:
        """Launch, and whatever happens write the summary and say how it stands."""
        from ganexp.sweep import show
        from ganexp.sweep.stopping import until_stopped

        signal = until_stopped(conductor.conduct)
        complete = show.closing(conductor, keys, interrupted=signal is not None, report=report)
        sys.stdout.flush()
        if signal is not None:
            raise SystemExit(signal)
        if not complete:
            raise SystemExit(1)
        results: list[Any] = conductor.results
        return results

    def _parse(self, arguments: Sequence[str]) -> list[Override]:
        """`hydra.sweeper.params` and the command line, which counts where both name a key."""
        assert self.hydra_context is not None
        return parse_overrides(self.hydra_context.config_loader, [*self._parse_config(), *arguments])


def parse_overrides(loader: ConfigLoader, texts: Sequence[str]) -> list[Override]:
    """The overrides of a sweep.

    Raises:
        ConfigError: one sweeps a key that is about the sweep as a whole.
    """
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(texts))
    for override in overrides:
        if override.is_sweep_override() and override.key_or_group.split(".")[0] in NOT_SWEPT:
            raise ConfigError(
                f"{override.key_or_group}: expected one value for the whole sweep, got {override.input_line!r}"
            )
    return overrides
