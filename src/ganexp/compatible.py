"""Settings that are each right but do not go together, found before any work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ganexp.config import RunConfig
from ganexp.errors import ConfigError, DataError, Refused
from ganexp.types import GAN, AdversarialLoss, Dataset, Penalty

if TYPE_CHECKING:
    from torch import nn

_CHECKED: set[str] = set()
"""Combinations that this process found to be right."""


def check_together(config: RunConfig, dataset: Dataset) -> None:
    """Refuse a run whose model, loss, penalty and data make no sense together.

    Raises:
        DataError: a conditional model without labels.
        ConfigError: a model that does not fit the images, or a penalty that does not fit the loss or the model.
    """
    if config.conditional and (dataset.train_labels is None or dataset.reference_labels is None):
        raise DataError(f"model.conditional: expected a dataset with labels, got {dataset.name} without")
    if config.conditional:
        _check_labels(dataset)
    targets = [(target.path, dict(target.params)) for target in (config.model, config.loss, config.penalty)]
    key = json.dumps([targets, dataset.image_shape, dataset.num_classes], sort_keys=True, default=str)
    if key in _CHECKED:
        return
    try:
        gan: GAN = config.model.build(dataset.image_shape, num_classes=dataset.num_classes)
        penalty: Penalty | None = config.penalty.build()
        loss: AdversarialLoss = config.loss.build()
    except Refused:
        raise
    except Exception:
        return  # what a user's own function raises is the run's failure, told with its traceback
    if penalty is not None:
        check_penalty(config.penalty.name, penalty, config.loss.name, loss, gan.discriminator)
    _CHECKED.add(key)


def _check_labels(dataset: Dataset) -> None:
    """Refuse labels that are not 0 .. num_classes - 1."""
    for labels in (dataset.train_labels, dataset.reference_labels):
        assert labels is not None
        if labels.min() < 0 or labels.max() >= (dataset.num_classes or 0):
            raise DataError(
                f"model.conditional: expected labels from 0 to {(dataset.num_classes or 0) - 1} in {dataset.name}, "
                f"got {labels.min()} to {labels.max()}"
            )


def check_penalty(
    penalty_name: str, penalty: Penalty, loss_name: str, loss: AdversarialLoss, discriminator: nn.Module
) -> None:
    """Refuse a penalty that makes no sense with a loss or a discriminator.

    Raises:
        ConfigError: naming the reason.
    """
    if penalty.lipschitz_only and not loss.lipschitz:
        raise ConfigError(
            f"penalty={penalty_name}: expected a loss over Lipschitz critics (loss=wgan), got loss={loss_name}: "
            "bounding the weights stands for that condition (Arjovsky et al. 2017), elsewhere it only shrinks logits"
        )
    if penalty.lipschitz_only and _parametrized(discriminator):
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


def _parametrized(net: nn.Module) -> bool:
    return any(hasattr(module, "parametrizations") for module in net.modules())
