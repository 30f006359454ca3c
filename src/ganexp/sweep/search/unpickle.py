"""What Optuna keeps of CMA-ES in a study is a pickle. A study may be a stranger's, and a pickle may run anything."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

from ganexp.types.errors import DirectoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import FrozenTrial

ALLOWED = {
    "cmaes._cma": ("CMA",),
    "cmaes._sepcma": ("SepCMA",),
    "cmaes._cmawm": ("CMAwM",),
    "numpy": ("ndarray", "dtype"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
}
"""Module -> what an optimizer's pickle is made of."""


class Unpickler(pickle.Unpickler):
    """Reads the optimizers of CMA-ES and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """As pickle looks up a name; UnpicklingError where it is none of `ALLOWED`."""
        if global_name not in ALLOWED.get(module_name, ()):
            raise pickle.UnpicklingError(f"expected an optimizer of CMA-ES, got {module_name}.{global_name}")
        return super().find_class(module_name, global_name)


def guarded(sampler: Any) -> Any:
    """A sampler that reads no other pickles than those; other samplers read none and are returned as they are.

    Asked for a point, it raises DirectoryError where the study holds another one.
    """
    from optuna.samplers import CmaEsSampler

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
    """An optimizer from the hex digits of its pickle."""
    try:
        return Unpickler(io.BytesIO(bytes.fromhex(digits))).load()
    except Exception as error:  # whatever a damaged pickle leads to
        raise DirectoryError(f"the study's CMA-ES optimizer cannot be read: {type(error).__name__}: {error}") from None
