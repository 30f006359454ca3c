"""Names that Optuna and Hydra's Optuna plugin may change without notice: an upgrade of either is checked here.

Optuna's public interface ends a trial in the process that began it. Here a trial is begun by a launcher, reported to
by a worker, and may be taken over by another launcher: each of them finds it in the storage by its number.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl, create_optuna_distribution_from_override
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, GridSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from ganexp.config.hydra_private import Override
from ganexp.types.errors import DirectoryError

PICKLED = {
    "cmaes._cma": ("CMA",),
    "cmaes._sepcma": ("SepCMA",),
    "cmaes._cmawm": ("CMAwM",),
    "numpy": ("ndarray", "dtype"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
}
"""Module -> what the pickle of a CMA-ES optimizer is made of."""


def trial_numbered(study: Study, number: int) -> Trial:
    """A trial that another process began."""
    return Trial(study, study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number))


def stored(trial: Trial) -> FrozenTrial:
    """A trial as it is in the storage, with what other processes reported."""
    return trial.study._storage.get_trial(trial._trial_id)


@contextmanager
def shown_as(study: Study, seen: Callable[[FrozenTrial], FrozenTrial]) -> Iterator[None]:
    """Inside, a sampler finds each trial of a study as `seen(trial)`."""
    get_trials = study._get_trials

    def trials(deepcopy: bool = True, states: Any = None, use_cache: bool = False) -> list[FrozenTrial]:
        found = map(seen, get_trials(deepcopy=deepcopy, use_cache=use_cache))
        return [trial for trial in found if states is None or trial.state in states]

    study._get_trials = trials  # type: ignore[method-assign]
    try:
        yield
    finally:
        del study._get_trials


def grid_size(study: Study) -> float:
    """Points in the sampler's grid; infinity for samplers without one."""
    return len(study.sampler._all_grids) if isinstance(study.sampler, GridSampler) else float("inf")


def grid_values(distribution: BaseDistribution) -> Any:
    """The values that the grid sampler tries; ValueError for an interval, which has no such values."""
    return OptunaSweeperImpl._to_grid_sampler_choices(distribution)


def distribution_of(override: Override) -> Any:
    """A sweep override as a distribution, any other as its value, by the Optuna plugin's rules."""
    return create_optuna_distribution_from_override(override)


class ParameterDraw:
    """Draws the parameters of trials as the Optuna plugin does."""

    def __init__(self, config: Any, custom_search_space: str | None) -> None:
        unused = dict.fromkeys(("sampler", "direction", "storage", "study_name", "params"))
        self._plugin = OptunaSweeperImpl(
            **unused, n_trials=0, n_jobs=1, max_failure_rate=0.0, custom_search_space=custom_search_space
        )
        self._plugin.config = config

    def overrides(
        self, trial: Trial, distributions: Mapping[str, Any], fixed: Mapping[str, Any], deletions: Sequence[str]
    ) -> tuple[str, ...]:
        """The overrides of one trial's run."""
        return tuple(self._plugin._configure_trials([trial], dict(distributions), dict(fixed), list(deletions))[0])


class Unpickler(pickle.Unpickler):
    """Reads the optimizers of CMA-ES and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """As pickle looks up a name; UnpicklingError where it is none of `PICKLED`."""
        if global_name not in PICKLED.get(module_name, ()):
            raise pickle.UnpicklingError(f"expected an optimizer of CMA-ES, got {module_name}.{global_name}")
        return super().find_class(module_name, global_name)


def guarded(sampler: Any) -> Any:
    """A sampler that unpickles only optimizers of CMA-ES: the study may be a stranger's.

    Asked for a point, it raises DirectoryError where the study holds another pickle. Other samplers read none.
    """
    if isinstance(sampler, CmaEsSampler):

        def restore(completed: Sequence[FrozenTrial]) -> Any:
            """As Optuna's own: the newest optimizer that a trial holds, or None."""
            prefix = sampler._attr_key_optimizer
            for trial in reversed(completed):
                parts = {key: value for key, value in trial.system_attrs.items() if key.startswith(prefix)}
                if parts:
                    return _optimizer(sampler._concat_optimizer_attrs(parts))
            return None

        sampler._restore_optimizer = restore  # type: ignore[method-assign, assignment]
    return sampler


def _optimizer(digits: str) -> Any:
    """An optimizer from its pickle in hex."""
    try:
        return Unpickler(io.BytesIO(bytes.fromhex(digits))).load()
    except Exception as error:  # whatever a damaged pickle leads to
        raise DirectoryError(f"the study's CMA-ES optimizer cannot be read: {type(error).__name__}: {error}") from None
