"""Hydra's view of the sweeper and the launcher: their keys and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeperConf
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf


@dataclass
class GridSweeperConf(BasicSweeperConf):
    """`hydra/sweeper=grid`: the basic sweeper's keys."""

    _target_: str = "ganexp.sweep.sweeper.GridSweeper"


@dataclass
class WorkersConf(JobLibLauncherConf):  # type: ignore[misc]
    """`hydra/launcher=joblib`: the joblib launcher's keys."""

    _target_: str = "ganexp.sweep.launcher.WorkersLauncher"


def register() -> None:
    """Put both into Hydra's ConfigStore, in the place of the joblib plugin's own launcher."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    store.store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="ganexp", replace=True)
    store.store(group="hydra/launcher", name="joblib", node=WorkersConf, provider="ganexp", replace=True)
