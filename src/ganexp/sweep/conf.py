"""Hydra's view of the sweeper and the launcher: their keys and defaults."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, make_dataclass
from typing import Any

from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from omegaconf import MISSING

from ganexp.config.hydra_private import BasicSweeperConf


@dataclass
class GridSweeperConf(BasicSweeperConf):
    """`hydra/sweeper=grid`: the basic sweeper's keys."""

    _target_: str = "ganexp.sweep.sweeper.GridSweeper"


@dataclass
class WorkersConf(JobLibLauncherConf):  # type: ignore[misc]
    """`hydra/launcher=joblib`: the joblib launcher's keys."""

    _target_: str = "ganexp.sweep.launchers.launcher.WorkersLauncher"


@dataclass
class SearchConf(OptunaSweeperConf):  # type: ignore[misc]
    """`hydra/sweeper=optuna`: the Optuna sweeper's keys, and ganexp's own.

    Attributes:
        pruner: stops trials that do not promise; an option of hydra/sweeper/pruner.
        objectives: metric columns, or "train_seconds"; null: metrics.objective.
        direction: null: each objective's own; anything else must agree with it.
        storage: an SQL URL; null: an SQLite file in the sweep directory.
        study_name: null: the name of the sweep directory.
        n_trials: trials of the study in all, however often its command is given.
        n_jobs: trials at once, at most; null: as many as the launcher has workers (basic: one, others: two).
        max_failure_rate: once a larger share of n_trials has failed, no new trial is begun.
    """

    _target_: str = "ganexp.sweep.search.sweeper.SearchSweeper"
    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "none"}])
    pruner: Any = MISSING
    objectives: list[str] | None = None
    direction: Any = None
    n_jobs: int | None = None
    max_failure_rate: float = 1.0


@dataclass
class NoPrunerConf:
    """Every trial is made to its end."""

    _target_: str = "optuna.pruners.NopPruner"


@dataclass
class MedianPrunerConf:
    """Stops a trial whose best value so far is worse than the median of the others at that epoch."""

    _target_: str = "optuna.pruners.MedianPruner"
    n_startup_trials: int = 5
    n_warmup_steps: int = 0
    interval_steps: int = 1
    n_min_trials: int = 1


@dataclass
class PercentilePrunerConf(MedianPrunerConf):
    """The same with another percentile: 25.0 keeps the best quarter."""

    _target_: str = "optuna.pruners.PercentilePruner"
    percentile: float = 25.0


@dataclass
class SuccessiveHalvingPrunerConf:
    """Asynchronous successive halving; a resource is an epoch."""

    _target_: str = "optuna.pruners.SuccessiveHalvingPruner"
    min_resource: Any = 1
    reduction_factor: int = 4
    min_early_stopping_rate: int = 0
    bootstrap_count: int = 0


@dataclass
class HyperbandPrunerConf:
    """Several successive halvings side by side; a resource is an epoch."""

    _target_: str = "optuna.pruners.HyperbandPruner"
    min_resource: int = 1
    max_resource: Any = "auto"
    reduction_factor: int = 3
    bootstrap_count: int = 0


PRUNERS = {
    "none": NoPrunerConf,
    "median": MedianPrunerConf,
    "percentile": PercentilePrunerConf,
    "successive_halving": SuccessiveHalvingPrunerConf,
    "hyperband": HyperbandPrunerConf,
}
"""The options of hydra/sweeper/pruner."""


def cluster_launchers() -> dict[str, Any]:
    """The launchers past one machine that this installation has, by their names in hydra/launcher."""
    found: dict[str, Any] = {}
    with suppress(ImportError):
        from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf

        for name, base, kind in (
            ("submitit_local", LocalQueueConf, "LocalStream"),
            ("submitit_slurm", SlurmQueueConf, "SlurmStream"),
        ):
            keys = (("_target_", str, f"ganexp.sweep.launchers.slurm.{kind}"), ("runs_per_job", int, 1))
            found[name] = make_dataclass(f"{kind}Conf", keys, bases=(base,))
    with suppress(ImportError):
        from ganexp.config.hydra_private import ray_conf

        target = ("_target_", str, "ganexp.sweep.launchers.ray_cluster.RayStream")
        found["ray"] = make_dataclass("RayStreamConf", [target], bases=(ray_conf(),))
    return found


def register() -> None:
    """Put all of them into Hydra's ConfigStore, in the place of the basic, joblib and Optuna plugins' own."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for name in ("basic", "grid"):  # basic is Hydra's default; a preset of a sweep may choose another one
        store.store(group="hydra/sweeper", name=name, node=GridSweeperConf, provider="ganexp", replace=True)
    store.store(group="hydra/launcher", name="joblib", node=WorkersConf, provider="ganexp", replace=True)
    store.store(group="hydra/sweeper", name="optuna", node=SearchConf, provider="ganexp", replace=True)
    for name, node in cluster_launchers().items():
        store.store(group="hydra/launcher", name=name, node=node, provider="ganexp", replace=True)
    for name, node in PRUNERS.items():
        store.store(group="hydra/sweeper/pruner", name=name, node=node, provider="ganexp", replace=True)
