"""Starting from the weights of another run (`trainer.init_from`): do they fit, and loading them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from ganexp.config.run_spec import RunSpec
from ganexp.files.initial import Initial, initial_weights
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig
    from ganexp.trainer.state import TrainState
    from ganexp.types import GAN, Dataset

EXTRA = "_extra_state"  # what a module of one's own stores besides tensors: of any length
LABELS = "discriminator.embedding.weight"  # (classes, width), of ganexp's own conditional networks


def check_initial(gan: GAN, config: RunConfig, dataset: Dataset, began: str | None) -> None:
    """Refuse weights of other networks than `gan`.

    Where there are none now, or not those of sha256 `began` that a run started from, it goes on from its own.

    Raises:
        ConfigError: the first tensor that differs, or the number of classes.
    """
    try:
        initial = initial_weights(str(config.trainer.init_from), dataset.cache_dir)
    except ConfigError:
        return
    if began in (None, initial.sha256):
        _check_fits(gan, initial, config.model.name)


def _check_fits(gan: GAN, initial: Initial, model: str) -> None:
    nets = {"generator": gan.generator, "discriminator": gan.discriminator}
    ours = {
        f"{net}.{name}": tuple(t.shape)
        for net, m in nets.items()
        for name, t in m.state_dict().items()
        if isinstance(t, Tensor)
    }
    theirs = {name: tuple(tensor.shape) for name, tensor in initial.tensors.items() if not name.startswith("average.")}
    ours, theirs = ({name: s for name, s in each.items() if not name.endswith(EXTRA)} for each in (ours, theirs))
    if not any(name.startswith("discriminator.") for name in theirs):
        ours = {name: shape for name, shape in ours.items() if name.startswith("generator.")}
    if (LABELS in ours or LABELS in theirs) and ours.get(LABELS, (0,))[0] != theirs.get(LABELS, (0,))[0]:
        wanted, got = (f"{each[LABELS][0]} classes" if LABELS in each else "no labels" for each in (ours, theirs))
        raise ConfigError(
            f"trainer.init_from: expected networks of {wanted}, as model.conditional and the data ask for, got "
            f"{got} in {initial.source}"
        )
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            wanted, got = (f"of shape {each[name]}" if name in each else "absent" for each in (ours, theirs))
            raise ConfigError(
                f"trainer.init_from: expected weights of model={model} with these settings and this size of images "
                f"({name} {wanted}), got other networks in {initial.source} ({name} {got})"
            )


def start_from(spec: RunSpec, training: TrainState, note: Callable[[str], None]) -> None:
    """Load the weights that a run starts from, if it starts from others' at all.

    Raises:
        ConfigError: they are not there, or not those that the run's identity names.
    """
    if spec.config.trainer.init_from is None:
        return
    initial = initial_weights(spec.config.trainer.init_from, spec.dataset.cache_dir)
    expected = str(spec.identity.content["init_from"])
    if initial.sha256 != expected:
        raise ConfigError(
            f"trainer.init_from: expected the weights that this run began from (sha256 {expected[:16]}...), got others "
            f"in {initial.source} ({initial.sha256[:16]}...)"
        )
    training.start_from(initial.tensors)
    note(f"starts from the weights of {initial.source}")
