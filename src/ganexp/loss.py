"""Adversarial losses, each a function that returns the two players' losses over logits.

Throughout, l is the discriminator's logit, D = sigma(l), and softplus(x) = log(1 + exp(x)), so that
-log D = softplus(-l) and -log(1 - D) = softplus(l). At D = 1/2 everywhere the discriminator's loss is log 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from annotated_types import Ge, Lt
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganexp.types import AdversarialLoss

Smoothing = Annotated[float, Ge(0), Lt(0.5)]


def non_saturating(*, label_smoothing: Smoothing = 0.0) -> AdversarialLoss:
    """The generator maximises log D(G(z)) (Goodfellow et al. 2014, section 3, last paragraph).

    The gradient of the generator's loss at logit l is sigma(l) - 1: strong where the discriminator wins. The
    discriminator's target at real images is 1 - `label_smoothing`.
    """
    return AdversarialLoss(discriminator=_smoothed(label_smoothing), generator=_maximise_log_d)


def minimax(*, warmup_epochs: Annotated[int, Ge(0)] = 0, label_smoothing: Smoothing = 0.0) -> AdversarialLoss:
    """The generator minimises log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1), a saturating loss.

    The gradient of the generator's loss at logit l is -sigma(l): it vanishes where the discriminator wins. In the first
    `warmup_epochs` the generator maximises log D(G(z)) instead. `label_smoothing` as in `non_saturating`.
    """
    return AdversarialLoss(
        discriminator=_smoothed(label_smoothing),
        generator=_minimise_log_one_minus_d,
        warmup_generator=_maximise_log_d,
        warmup_epochs=warmup_epochs,
    )


def lsgan() -> AdversarialLoss:
    """Squared distances from 1 (real) and 0 (fake) (Mao et al. 2017, LSGAN, equation 9)."""
    return AdversarialLoss(
        discriminator=lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
        generator=lambda real, fake: (fake - 1).square().mean() / 2,
        probabilistic=False,
    )


def wgan() -> AdversarialLoss:
    """The difference of the means, over Lipschitz critics (Arjovsky et al. 2017, WGAN, equation 2 and Algorithm 1)."""
    return AdversarialLoss(
        discriminator=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda real, fake: -fake.mean(),
        probabilistic=False,
        lipschitz=True,
    )


def hinge() -> AdversarialLoss:
    """Margins of 1 for the discriminator (Lim and Ye 2017, Geometric GAN; Miyato et al. 2018, equations 16 and 17)."""
    return AdversarialLoss(
        discriminator=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        generator=lambda real, fake: -fake.mean(),
        probabilistic=False,
    )


def relativistic() -> AdversarialLoss:
    """How much more real one image is than another (RpGAN: Jolicoeur-Martineau 2019; Huang et al. 2024, equation 2).

    Real and generated images are paired by index; the generator's loss needs a real batch too.
    """
    return AdversarialLoss(
        discriminator=lambda real, fake: softplus(fake - real).mean(),
        generator=_outdo_real,
        probabilistic=False,
        generator_uses_real=True,
    )


def _outdo_real(real: Tensor | None, fake: Tensor) -> Tensor:
    assert real is not None
    return softplus(real - fake).mean()


def _binary_cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """-mean log D(x) - mean log(1 - D(G(z))), from logits (B,)."""
    return softplus(-real).mean() + softplus(fake).mean()


def _smoothed(smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy with the target 1 - s at real images alone (Salimans et al. 2016, section 3.4).

    -(1 - s) log D - s log(1 - D) = softplus(-l) + s l.
    """
    if not smoothing:
        return _binary_cross_entropy
    return lambda real, fake: _binary_cross_entropy(real, fake) + smoothing * real.mean()


def _maximise_log_d(real: Tensor | None, fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def _minimise_log_one_minus_d(real: Tensor | None, fake: Tensor) -> Tensor:
    return -softplus(fake).mean()


OPTIONS = (hinge, lsgan, minimax, non_saturating, relativistic, wgan)  # what `_target_` may name in conf/loss
