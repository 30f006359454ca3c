"""What proposes the points of a search, and what prunes its trials: samplers and pruners of Optuna's."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra.errors import HydraException
from hydra.utils import instantiate
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner

from ganexp.sweep.search.optuna_private import grid_values, guarded
from ganexp.types.errors import ConfigError
from ganexp.types.rng import derive


def make_sampler(node: Any, trials: int, distributions: Mapping[str, Any] | None = None) -> Any:
    """The sampler that `node` (`hydra.sweeper.sampler`) describes, for a study that has so many `trials`.

    With the same seed a sampler proposes its first points again. So the seed depends on `trials`, except for a
    quasi-random sequence, whose position the storage counts. The grid sampler needs `distributions`, by override key.

    Raises:
        ConfigError: it is no sampler of Optuna's, it does not take these settings, or a grid has an interval.
    """
    seed = node.get("seed")
    again = seed is not None and trials > 0 and not str(node.get("_target_")).endswith("QMCSampler")
    later: dict[str, Any] = {"seed": derive(int(seed), "sampler", trials) % 2**32} if again else {}
    modules = ("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")
    with _quietly(), _refusing("hydra.sweeper.sampler"):
        sampler = instantiate(node, **later, _execution_whitelist_=modules)
    if isinstance(sampler, functools.partial):  # the grid sampler, which the plugin leaves to be given its grid
        try:
            sampler = sampler({key: grid_values(each) for key, each in (distributions or {}).items()})
        except ValueError as error:
            raise ConfigError(
                f"hydra/sweeper/sampler=grid: expected choices and ranges only, got an interval ({error})"
            ) from None
    return guarded(sampler)


def make_pruner(node: Any, objectives: int = 1) -> BasePruner:
    """The pruner that `node` (`hydra.sweeper.pruner`) describes, for trials with so many objectives.

    Raises:
        ConfigError: it is no pruner of Optuna's, it does not take these settings, or there are several objectives.
    """
    factor = node.get("reduction_factor", 2)  # Hyperband would look at it only when it prunes
    if not isinstance(factor, int) or factor < 2:
        raise ConfigError(f"hydra.sweeper.pruner.reduction_factor: expected at least 2, got {factor}")
    with _quietly(), _refusing("hydra.sweeper.pruner"):
        pruner: BasePruner = instantiate(node, _execution_whitelist_=("optuna.pruners.*",))
    if objectives > 1 and not isinstance(pruner, NopPruner):
        raise ConfigError(
            "hydra/sweeper/pruner: expected none, as trials with several objectives cannot be pruned, got "
            f"{type(pruner).__name__}"
        )
    return pruner


@contextmanager
def _refusing(key: str) -> Iterator[None]:
    """Inside, an error of Hydra or Optuna about a node becomes a refusal that names its key."""
    try:
        yield
    except (HydraException, TypeError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"{key}: expected settings that Optuna takes, got: {reason}") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Inside, Optuna does not warn that a sampler or pruner is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
