"""The directory of a sweep: its default name, and the override that names it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

OPENED: list[Path] = []  # the directories of the sweeps that this process was asked for, the newest one last


def sweep_dir(root: Any) -> str:
    """`hydra.sweep.dir`: multirun/<dataset>-<name of the sweep>, or mixed-<...> where several datasets are swept."""
    names = set(_dataset_names(root))
    return str(Path("multirun") / f"{names.pop() if len(names) == 1 else 'mixed'}-{root.sweep.name}")


def opened(config: Any) -> Path:
    """The directory of a composed sweep, which is added to `OPENED`."""
    OPENED.append(Path(str(config.hydra.sweep.dir)).absolute())
    return Path(str(config.hydra.sweep.dir))


def directory_override(directory: Path) -> str:
    """The override that sets the sweep directory, quoted so that Hydra reads any characters back."""
    from ganexp.config.hydra_private import quoted
    from ganexp.config.recorded import literal

    return f"hydra.sweep.dir={quoted(literal(str(directory.resolve())))}"


def _dataset_names(root: Any) -> Iterable[str]:
    """The datasets of a sweep: those that it sweeps over, or its experiments use, or its only one."""
    from hydra.types import RunMode

    from ganexp.config.hydra_private import GlobalHydra, OverridesParser
    from ganexp.sweep.sweeper import preset_overrides

    task = [str(text) for text in root.hydra.overrides.task]
    params = preset_overrides(root.hydra.sweeper.get("params"), root)
    state = GlobalHydra.instance()
    loader = state.config_loader() if state.is_initialized() else None
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*params, *task])
    swept = {o.key_or_group: o for o in parsed if o.is_sweep_override() and o.is_discrete_sweep()}
    if "dataset" in swept:
        return [str(name) for name in swept["dataset"].sweep_string_iterator()]
    if "experiment" not in swept or loader is None:
        return [str(root.dataset.name)]
    fixed = [o.input_line or "" for o in parsed if not o.is_sweep_override()]
    experiments = [[*fixed, f"experiment={option}"] for option in swept["experiment"].sweep_string_iterator()]
    defaults = (loader.compute_defaults_list(root.hydra.job.config_name, e, RunMode.MULTIRUN) for e in experiments)
    return [str(chosen.overrides.known_choices["dataset"]) for chosen in defaults]
