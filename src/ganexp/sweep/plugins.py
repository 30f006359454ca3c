"""What Hydra knows of sweeps: the sweepers and launchers, their keys and defaults. Imports neither torch nor Optuna."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, make_dataclass
from typing import Any

from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from omegaconf import MISSING

from ganexp.config.hydra_private import BasicSweeperConf, Plugins, ray_conf
from ganexp.sweep.launchers.launcher import WorkersLauncher
from ganexp.sweep.search.sweeper import SearchSweeper
from ganexp.sweep.sweeper import GridSweeper


@dataclass
class SearchConf(OptunaSweeperConf):  # type: ignore[misc]
    """`hydra/sweeper=optuna`: the Optuna sweeper's keys, and ganexp's own.

    Of the former, `storage` is an SQL URL (null: an SQLite file in the sweep directory), `study_name` is by default the
    name of the sweep directory, and `n_trials` counts all trials of the study, however often its command is given.
    """

    _target_: str = "ganexp.sweep.search.sweeper.SearchSweeper"
    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "none"}])
    pruner: Any = MISSING  # an option of hydra/sweeper/pruner
    objectives: list[str] | None = None  # metric columns, or "train_seconds"; null: metrics.objective
    direction: Any = None  # null: each objective's own; anything else must agree with it
    n_jobs: int | None = None  # trials at once; null: as many as the launcher has workers (basic: one, others: two)
    max_failure_rate: float = 1.0  # no new trial once a larger share of n_trials has failed
    seeds: list[int] | None = None  # of each point, whose mean of log(objective) the study hears; null: seed alone
    eta: float | None = None  # of the trials at a rung, one in eta goes on to eta times as many epochs; null: no rungs
    warm_start: list[str] | None = None  # directories of sweeps whose finished runs are trials, where they are the same
    timeout: float | None = None  # seconds of the study, over all commands, after which no new trial begins


def _pruner(name: str, resource: str = "", **keys: Any) -> type[Any]:
    """A pruner of Optuna's with its keys and their defaults; `resource` is the key that takes "auto" or epochs."""
    typed = [(key, Any if key == resource else type(default), default) for key, default in keys.items()]
    return make_dataclass(f"{name}Conf", [("_target_", str, f"optuna.pruners.{name}"), *typed])


MEDIAN: dict[str, Any] = {"n_startup_trials": 5, "n_warmup_steps": 0, "interval_steps": 1, "n_min_trials": 1}
HALVING: dict[str, Any] = {"min_resource": 1, "reduction_factor": 4, "min_early_stopping_rate": 0, "bootstrap_count": 0}
HYPERBAND: dict[str, Any] = {"min_resource": 1, "max_resource": "auto", "reduction_factor": 3, "bootstrap_count": 0}

PRUNERS = {
    "none": _pruner("NopPruner"),
    "median": _pruner("MedianPruner", **MEDIAN),
    "percentile": _pruner("PercentilePruner", **MEDIAN, percentile=25.0),
    "successive_halving": _pruner("SuccessiveHalvingPruner", "min_resource", **HALVING),
    "hyperband": _pruner("HyperbandPruner", "max_resource", **HYPERBAND),
}
"""The options of hydra/sweeper/pruner. The percentile is that of the trials which go on."""


def register() -> None:
    """Register the sweepers and launchers with Hydra, in place of others of the same name."""
    from hydra.core.config_store import ConfigStore

    grid = _conf(GridSweeper, BasicSweeperConf)
    launchers = {
        "joblib": (WorkersLauncher, _conf(WorkersLauncher, JobLibLauncherConf, jobs_per_gpu=1)),
        **_cluster_launchers(),
    }
    for plugin in (GridSweeper, SearchSweeper, *(launcher for launcher, _ in launchers.values())):
        Plugins.instance().register(plugin)
    nodes = [("hydra/launcher", name, conf) for name, (_, conf) in launchers.items()]
    nodes += [("hydra/sweeper", name, grid) for name in ("basic", "grid")]  # Hydra's default is basic
    nodes += [("hydra/sweeper", "optuna", SearchConf)]
    nodes += [("hydra/sweeper/pruner", name, conf) for name, conf in PRUNERS.items()]
    for group, name, conf in nodes:
        ConfigStore.instance().store(group=group, name=name, node=conf, provider="ganexp", replace=True)


def _cluster_launchers() -> dict[str, tuple[Any, Any]]:
    """Name in hydra/launcher -> launcher and its keys, where its plugin (an extra) is installed."""
    launchers: dict[str, tuple[Any, Any]] = {}
    with suppress(ImportError):
        from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf

        from ganexp.sweep.launchers.slurm import LocalStream, SlurmStream

        packing = {"runs_per_job": 1, "jobs_per_gpu": None}
        launchers["submitit_local"] = LocalStream, _conf(LocalStream, LocalQueueConf, **packing)
        launchers["submitit_slurm"] = SlurmStream, _conf(SlurmStream, SlurmQueueConf, **packing)
    with suppress(ImportError):
        from ganexp.sweep.launchers.ray_cluster import RayStream

        launchers["ray"] = RayStream, _conf(RayStream, ray_conf())
    return launchers


def _conf(plugin: type[Any], base: type[Any], **keys: int | None) -> type[Any]:
    """The keys of `base`, and `keys` with their defaults."""
    target = ("_target_", str, f"{plugin.__module__}.{plugin.__name__}")
    typed = [(key, int if default is not None else int | None, default) for key, default in keys.items()]
    return make_dataclass(f"{plugin.__name__}Conf", [target, *typed], bases=(base,))
