"""Names that Hydra and OmegaConf may change without notice: check this module after an upgrade of either.

Other modules import their names of hydra._internal and hydra.core (but for the documented HydraConfig and ConfigStore)
and of a plugin's private modules from here; `ganexp.sweep.search.optuna_private` has those of Optuna and its plugin.
Hydra's public `compose` reads a whole command line and offers none of its parts: not the grammar of one override, not
the loader that knows which keys are groups, not the functions that a plugin runs a job with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The loader: which options a group has, and the configuration of one point of a sweep.
from hydra._internal.config_loader_impl import ConfigLoaderImpl

# Hydra's defaults, which `GridSweeper` extends, and which runs one job at a time in this process.
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf

# The options of the command line.
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

# The grammar of overrides: a value in a sweep, a plan or a preset means what it does on a command line.
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, RangeSweep

# What every launcher and sweeper does: register itself, set a worker up, answer with a JobReturn.
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, env_override, setup_globals
from omegaconf import DictConfig

__all__ = [
    "BasicLauncher",
    "BasicSweeper",
    "BasicSweeperConf",
    "ConfigLoader",
    "GlobalHydra",
    "JobReturn",
    "JobStatus",
    "Override",
    "OverridesParser",
    "Plugins",
    "QuotedString",
    "RangeSweep",
    "Singleton",
    "apply_overrides",
    "configure_log",
    "detach",
    "env_override",
    "error_of",
    "execute_joblib_job",
    "fresh_hydra",
    "get_args_parser",
    "has_keys",
    "node_at",
    "quoted",
    "ray_conf",
    "run_ray_job",
    "setup_globals",
    "start_ray",
    "unquoted_value",
]


def apply_overrides(overrides: list[Override], config: DictConfig) -> None:
    """Apply overrides of values to a merged configuration: the second half of Hydra's `compose`."""
    ConfigLoaderImpl._apply_overrides_to_config(overrides, config)


def unquoted_value(override: Override) -> Any:
    """The value of an override without its quotes, before `Override.value` encodes it for a command line."""
    return _unquoted(override._value)


def _unquoted(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {str(_unquoted(key)): _unquoted(child) for key, child in value.items()}
    return [_unquoted(child) for child in value] if isinstance(value, list) else value


def quoted(text: str) -> str:
    """A text in quotes, which the grammar of overrides reads back exactly."""
    return QuotedString(text, Quote.single).with_quotes()


def error_of(done: JobReturn) -> BaseException | None:
    """The exception that ended a job, without raising it as `JobReturn.return_value` does."""
    return done._return_value if done.status is JobStatus.FAILED else None


def node_at(config: DictConfig, key: Any) -> Any:
    """The node of a key as written: interpolations are not followed, missing values raise nothing."""
    return config._get_node(key)


def has_keys(config: DictConfig) -> bool:
    """Whether a node holds a mapping: for null, "???" or an interpolation `list(config)` raises."""
    return not (config._is_none() or config._is_missing() or config._is_interpolation())


def detach(config: DictConfig) -> None:
    """Make a node the root of its tree, so that its interpolations are resolved in it alone."""
    config._set_parent(None)


@contextmanager
def fresh_hydra() -> Iterator[None]:
    """Inside, Hydra is as where nothing was composed yet; afterwards its state is the caller's again."""
    before = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().hydra = HydraConfig.instance().cfg = None
    try:
        yield
    finally:  # by then the instances may be others: Hydra's own contexts replace them
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = before


def execute_joblib_job(*shared: Any, **job: Any) -> JobReturn:
    """Run one job in a process of the joblib plugin."""
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    return execute_job(*shared, **job)  # type: ignore[no-any-return]


def ray_conf() -> type[Any]:
    """The Ray plugin's keys and defaults.

    Raises:
        ImportError: the plugin, an extra, is not installed.
    """
    from hydra_plugins.hydra_ray_launcher._config import RayLauncherConf

    return RayLauncherConf  # type: ignore[no-any-return]


def start_ray(init: Any) -> None:
    """Connect to Ray, or start it, as the Ray plugin does."""
    from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray as start

    start(init)


def run_ray_job(*job: Any) -> JobReturn:
    """Run one job in a task of the Ray plugin."""
    from hydra_plugins.hydra_ray_launcher._launcher_util import _run_job

    return _run_job(*job)  # type: ignore[no-any-return]
