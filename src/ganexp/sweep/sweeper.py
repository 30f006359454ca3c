"""The grid sweeper: validates every point, plans, launches what is missing, and prints how it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ganexp.config.hydra_keys import check_hydra
from ganexp.config.hydra_private import BasicSweeper, ConfigLoader, Override, OverridesParser, quoted
from ganexp.config.mistakes import known_launcher
from ganexp.types.errors import ConfigError
from ganexp.types.nested import dotted
from ganexp.types.terminal import LONG_TABLE, say

if TYPE_CHECKING:
    from ganexp.sweep.compose import Composer
    from ganexp.sweep.expand import Axis
    from ganexp.sweep.points import Point
    from ganexp.sweep.until_claim import UntilClaim

NOT_SWEPT = ("sweep", "trust")  # keys that are about the sweep as a whole


class GridSweeper(BasicSweeper):
    """`hydra/sweeper=grid`: Hydra's basic sweeper for grids; the same command again goes on with what is missing.

    It adds the keys of `SweepConfig`. All points are composed and validated first; runs of one
    trajectory share a job; runs that have ended are left alone.
    """

    def __init__(self, max_batch_size: int | None = None, params: Any = None, **unknown: Any) -> None:
        super().__init__(max_batch_size=max_batch_size, params=params)  # `setup` refuses what is unknown

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra calls it; refuses unknown keys first."""
        check_hydra(config.hydra)
        with known_launcher():
            super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Make every run that `arguments` ask for.

        Raises:
            Refused: before anything was started or written.
            SystemExit: 1 where a run that was asked for is not COMPLETED; 130 or 143 where a signal stopped the sweep.
        """
        from ganexp.sweep.compose import Composer
        from ganexp.sweep.directory import opened
        from ganexp.sweep.expand import axes, check_size

        assert self.config is not None and self.hydra_context is not None
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise ConfigError(f"hydra.sweeper.max_batch_size: expected at least 1 or null, got {self.max_batch_size}")
        loader = self.hydra_context.config_loader
        overrides = parse_overrides(loader, [*preset_overrides(self.params, self.config), *arguments])
        grid = axes(overrides, [list(keys) for keys in self.config.sweep.zip])
        directory = opened(self.config)
        if check_size(grid) > LONG_TABLE:
            say(f"{directory}: {check_size(grid):,} points to compose")
        return self._make(directory, overrides, grid, Composer(loader, self.config))

    def _make(self, directory: Path, overrides: Sequence[Override], grid: Sequence[Axis], composer: Composer) -> Any:
        """Make the runs of a grid; imports torch and pandas, which earlier refusals need not wait for."""
        from ganexp.config.run_spec import NUMERICS_VERSION
        from ganexp.files import plan
        from ganexp.sweep import dry_run, preflight, show, stopping
        from ganexp.sweep.conditions import without_idle
        from ganexp.sweep.conduct import Conductor
        from ganexp.sweep.expand import points, swept_keys
        from ganexp.sweep.jobs import distinct
        from ganexp.sweep.points import all_points

        assert self.config is not None
        options, keys = self.config.sweep, swept_keys(grid)
        asked = without_idle(composer, grid, list(points(grid)))
        requested = all_points(composer, asked, keys, skip_refused=options.skip_refused)
        plan.check(directory, plan.Plan(NUMERICS_VERSION))
        runs, claim = preflight.check_own_code(distinct(requested), directory, keys), None
        if options.until is None and options.max_runs is not None:
            raise ConfigError(f"sweep.max_runs: expected null without sweep.until=claim, got {options.max_runs}")
        if options.until is not None:
            claim = self._until_claim(directory, runs, composer, keys)
            requested = runs = claim.points
        retry, stop = options.retry == "failed", options.stop_on_failure
        conductor = Conductor(directory, runs, self.launcher, self.max_batch_size, stop_on_failure=stop, retry=retry)
        show.opening(directory, requested, runs)
        if options.dry_run:
            dry_run.show(conductor, keys)
            if claim is not None:
                say(f"These are the first seeds; more where they decide, up to {claim.most} runs (sweep.max_runs).")
            return []
        preflight.check_metrics([point for job in conductor.jobs(conductor.states()) for point in job.points], keys)
        record = partial(conductor.record, self.config, overrides)
        record()
        show.follow(conductor, keys if claim is None else (*keys, "seed"))
        closing = partial(show.closing, conductor, keys, report=bool(options.report), until_claim=claim is not None)
        work = conductor.conduct if claim is None else partial(claim.work, conductor, record)
        stopping.run_to_end(work, closing, options, self.launcher)
        return conductor.results

    def _until_claim(
        self, directory: Path, first: Sequence[Point], composer: Composer, keys: Sequence[str]
    ) -> UntilClaim:
        """The settings of a grid, which get seeds where they decide.

        Raises:
            ConfigError: the command sweeps seeds, there is nothing to choose by, or `sweep.max_runs` is too small.
        """
        from ganexp.sweep import preflight
        from ganexp.sweep.points import all_points
        from ganexp.sweep.search.space import objectives_of
        from ganexp.sweep.until_claim import UntilClaim

        assert self.config is not None
        if "seed" in [key.lstrip("+") for key in keys]:
            text = "seed: expected one with sweep.until=claim, which hands out those after it, got a sweep of seeds"
            raise ConfigError(text)
        for point in {repr(point.config.dataset): point for point in first}.values():
            objectives_of(point.config, None, None)

        def compose(asked: Sequence[tuple[str, ...]]) -> list[Point]:
            return preflight.check_own_code(all_points(composer, asked, (*keys, "seed")), directory, keys)

        return UntilClaim(first, compose, self.config.sweep.max_runs)


def preset_overrides(params: Any, config: DictConfig) -> list[str]:
    """The overrides in `hydra.sweeper.params`: a YAML list is choices, unless its key itself holds a list."""
    tree: Any = OmegaConf.to_container(params, resolve=True) if OmegaConf.is_config(params) else params
    return [f"{key}={_as_override(str(key), value, config)}" for key, value in dotted(tree or {}).items()]


def _as_override(key: str, value: Any, config: DictConfig) -> str:
    if not isinstance(value, list):
        return _plain(value) if not isinstance(value, str) else value
    one = OmegaConf.is_list(OmegaConf.select(config, key)) or isinstance(config.hydra.runtime.choices.get(key), list)
    if key.startswith("+") or (one and not any(isinstance(child, list) for child in value)):
        return _plain(value)
    return ",".join(map(_plain, value)) if len(value) > 1 else f"choice({','.join(map(_plain, value))})"


def _plain(value: Any) -> str:
    """A value from YAML in the grammar of overrides; text in quotes where it would be read as something else."""
    if isinstance(value, list):
        return f"[{','.join(map(_plain, value))}]"
    if isinstance(value, str):
        return value if re.fullmatch(r"(?!(?:null|true|false|nan|inf)$)[a-z_][\w-]*", value, re.I) else quoted(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def parse_overrides(loader: ConfigLoader, texts: Sequence[str]) -> list[Override]:
    """The overrides of a sweep: of several with one key the last counts.

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
