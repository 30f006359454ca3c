"""Sweeps: many runs by one command. Importing this package is cheap; what does the work is imported when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def register() -> None:
    """Tell Hydra of the sweepers and of the launcher with worker processes. Imports neither torch nor Optuna."""
    from ganexp.config.hydra_private import Plugins
    from ganexp.sweep import conf
    from ganexp.sweep.launchers.launcher import WorkersLauncher
    from ganexp.sweep.search.sweeper import SearchSweeper
    from ganexp.sweep.sweeper import GridSweeper

    plugins = Plugins.instance()
    plugins.register(GridSweeper)
    plugins.register(SearchSweeper)
    plugins.register(WorkersLauncher)
    for launcher in _cluster_launchers():
        plugins.register(launcher)
    conf.register()


def _cluster_launchers() -> Iterator[type[Any]]:
    """Launchers past one machine, whose plugins are extras."""
    with suppress(ImportError):
        from ganexp.sweep.launchers.slurm import LocalStream, SlurmStream

        yield from (LocalStream, SlurmStream)
    with suppress(ImportError):
        from ganexp.sweep.launchers.ray_cluster import RayStream

        yield RayStream


def sweep_dir(root: Any) -> str:
    """`hydra.sweep.dir`: multirun/<dataset>-<sweep's name>, or mixed-<sweep's name> where several datasets are swept.

    Args:
        root: the configuration that the sweep is started with.
    """
    names = set(_dataset_names(root))
    return str(Path("multirun") / f"{names.pop() if len(names) == 1 else 'mixed'}-{root.sweep.name}")


def placed(directory: Path) -> str:
    """The override that names a sweep directory, as Hydra reads it back whatever characters the name has."""
    from ganexp.config.hydra_private import quoted
    from ganexp.config.recorded import literal

    return f"hydra.sweep.dir={quoted(literal(str(directory.resolve())))}"


def _dataset_names(root: Any) -> Iterable[str]:
    """The datasets that a sweep asks for: by a sweep over them, over experiments that choose one, or as composed."""
    from hydra.types import RunMode

    from ganexp.config.hydra_private import GlobalHydra, OverridesParser

    task = [str(text) for text in root.hydra.overrides.task]
    params = [f"{key}={value}" for key, value in (root.hydra.sweeper.get("params") or {}).items()]
    state = GlobalHydra.instance()
    loader = state.config_loader() if state.is_initialized() else None
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*params, *task])
    swept = {o.key_or_group: o for o in parsed if o.is_sweep_override() and o.is_discrete_sweep()}
    if "dataset" in swept:
        return [str(name) for name in swept["dataset"].sweep_string_iterator()]
    if "experiment" not in swept or loader is None:
        return [str(root.dataset.name)]
    fixed = [o.input_line or "" for o in parsed if not o.is_sweep_override()]
    found = []
    for option in swept["experiment"].sweep_string_iterator():
        chosen = loader.compute_defaults_list(
            root.hydra.job.config_name, [*fixed, f"experiment={option}"], RunMode.MULTIRUN
        )
        found.append(str(chosen.overrides.known_choices["dataset"]))
    return found
