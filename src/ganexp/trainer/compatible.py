"""Settings that are valid alone but not together, found before any work."""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING

from ganexp.config.run_config import RunConfig
from ganexp.config.run_spec import load_dataset
from ganexp.config.target import is_own
from ganexp.types import GAN, AdversarialLoss, Dataset, ImageShape, Penalty
from ganexp.types.errors import ConfigError, DataError, Refused
from ganexp.types.system import total_memory

if TYPE_CHECKING:
    from torch import nn

COPIES = 2  # numbers kept for each weight, at least: itself and its gradient

_CHECKED: set[str] = set()  # combinations that passed in this process


def check_together(config: RunConfig, began: str | None = None) -> None:
    """Refuse a run whose model, loss, penalty and data make no sense together.

    `began`: sha256 of the weights that a run that is there started from (`trainer.init_from`).

    Raises:
        DataError: a conditional model without labels.
        ConfigError: a model that fits neither images nor memory, or cannot be stored or compiled; a penalty that does
            not fit the loss or the model.
    """
    dataset = load_dataset(config.dataset)
    if config.conditional:
        _check_labels(dataset)
    targets = [(target.path, dict(target.params)) for target in config.parts if target is not config.dataset]
    trainer = config.trainer
    size = [trainer.batch_size, trainer.d_steps, trainer.device, trainer.compile, trainer.init_from]
    key = json.dumps([targets, dataset.image_shape, dataset.num_classes, size], sort_keys=True, default=str)
    if key not in _CHECKED and _check_built(config, dataset, began):
        _CHECKED.add(key)


def _check_built(config: RunConfig, dataset: Dataset, began: str | None) -> bool:
    """Build the parts of a run and check them; False where own code raises: the run then shows the traceback."""
    try:
        gan = _outline(config, dataset)
        penalty: Penalty | None = config.penalty.build()
        loss: AdversarialLoss = config.loss.build()
    except Refused:
        raise
    except Exception:
        return False
    own = any(is_own(target.path) for target in (config.model, config.optim_generator, config.optim_discriminator))
    if own:
        from ganexp.trainer.storable import check_storable, refuse_lazy

        refuse_lazy(gan)
    check_memory(gan, config, dataset.image_shape)
    if own:
        check_storable(config, dataset)
    if config.trainer.init_from is not None:
        from ganexp.trainer.initial import check_initial

        check_initial(gan, config, dataset, began)
    if penalty is not None:
        if penalty.per_image and config.trainer.compile is not None:
            raise ConfigError(
                f"trainer.compile: expected null with penalty={config.penalty.name}, which needs second derivatives "
                f"that compiled networks do not have, got {config.trainer.compile}"
            )
        check_penalty(config.penalty.name, penalty, config.loss.name, loss, gan.discriminator)
    return True


def _outline(config: RunConfig, dataset: Dataset) -> GAN:
    """The networks on "meta", where weights take no memory; real ones where a user's own function needs that."""
    import torch

    def build() -> GAN:
        gan: GAN = config.model.build(dataset.image_shape, num_classes=dataset.num_classes)
        return gan

    try:
        with torch.device("meta"):
            return build()
    except Refused:
        raise
    except Exception:
        return build()


def check_memory(gan: GAN, config: RunConfig, image_shape: ImageShape) -> None:
    """ConfigError where the memory that a run needs at least exceeds the machine's."""
    trainer = config.trainer
    if trainer.device not in ("auto", "cpu"):
        return
    weights = sum(p.numel() for net in (gan.generator, gan.discriminator) for p in net.parameters())
    images = trainer.batch_size * trainer.d_steps * prod(image_shape)
    needed, memory = 4 * (COPIES * weights + images), total_memory()
    if needed > memory:
        raise ConfigError(
            f"model: expected networks and batches that fit into this machine's {memory / 2**30:,.0f} GiB of memory, "
            f"got {weights:,} weights with gradients and {images // prod(image_shape):,} generated images at once, "
            f"which take at least {needed / 2**30:,.0f} GiB"
        )


def _check_labels(dataset: Dataset) -> None:
    """Refuse a dataset without labels, or with others than 0 .. num_classes - 1."""
    for labels in (dataset.train_labels, dataset.reference_labels):
        if labels is None or dataset.train_labels is None:
            raise DataError(f"model.conditional: expected a dataset with labels, got {dataset.name} without")
        if labels.min() < 0 or labels.max() >= (dataset.num_classes or 0):
            raise DataError(
                f"model.conditional: expected labels from 0 to {(dataset.num_classes or 0) - 1} in {dataset.name}, "
                f"got {labels.min()} to {labels.max()}"
            )


def check_penalty(
    penalty_name: str, penalty: Penalty, loss_name: str, loss: AdversarialLoss, discriminator: nn.Module
) -> None:
    """ConfigError where a penalty makes no sense with the loss or the discriminator."""
    if penalty.lipschitz_only and not loss.lipschitz:
        raise ConfigError(
            f"penalty={penalty_name}: expected a loss over Lipschitz critics (loss=wgan), got loss={loss_name}: "
            "bounding the weights stands for that condition (Arjovsky et al. 2017), elsewhere it only shrinks logits"
        )
    if penalty.lipschitz_only and any(hasattr(module, "parametrizations") for module in discriminator.modules()):
        raise ConfigError(
            f"penalty={penalty_name}: expected model.spectral_norm=false, got true: normalised weights do not change "
            "with the size of what is clipped"
        )
    if penalty.per_image and not getattr(discriminator, "batch_independent", False):
        raise ConfigError(
            f"penalty={penalty_name}: expected a discriminator that treats images one by one, got one with batch "
            "statistics (or one that does not declare batch_independent = True): they mix the images, so that the "
            "gradient at one of them is not its own (Gulrajani et al. 2017, section 4); dcgan has "
            "model.discriminator_norm=none"
        )
