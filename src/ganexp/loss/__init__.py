"""Adversarial losses, each a function that returns the two players' losses over logits.

Throughout, l is the discriminator's logit, D = sigma(l), and softplus(x) = log(1 + exp(x)), so that
-log D = softplus(-l) and -log(1 - D) = softplus(l). At D = 1/2 everywhere the discriminator's loss is log 4.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import softplus

from ganexp.types import AdversarialLoss


def non_saturating() -> AdversarialLoss:
    """The generator maximises log D(G(z)) (Goodfellow et al. 2014, section 3, last paragraph).

    The gradient of the generator's loss at logit l is sigma(l) - 1: strong where the discriminator wins.
    """
    return AdversarialLoss(discriminator=_binary_cross_entropy, generator=_maximise_log_d)


def minimax(*, warmup_epochs: Annotated[int, Ge(0)] = 0) -> AdversarialLoss:
    """The generator minimises log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1), a saturating loss.

    The gradient of the generator's loss at logit l is -sigma(l): it vanishes where the discriminator wins.

    Args:
        warmup_epochs: epochs at the start in which the generator maximises log D(G(z)) instead.
    """
    return AdversarialLoss(
        discriminator=_binary_cross_entropy,
        generator=_minimise_log_one_minus_d,
        warmup_generator=_maximise_log_d,
        warmup_epochs=warmup_epochs,
    )


def _binary_cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """-mean log D(x) - mean log(1 - D(G(z))), from logits (B,)."""
    return softplus(-real).mean() + softplus(fake).mean()


def _maximise_log_d(real: Tensor | None, fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def _minimise_log_one_minus_d(real: Tensor | None, fake: Tensor) -> Tensor:
    return -softplus(fake).mean()
