"""What a training is made of: networks, loss, penalty, optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ganexp.types.schedule import Moment, Schedule

if TYPE_CHECKING:
    from torch import Tensor, nn

Critic = Callable[["Tensor"], "Tensor"]
"""A discriminator whose labels, if it takes any, are fixed: images (B, C, H, W) in [-1, 1] -> logits (B,)."""


Augment = Callable[["Tensor"], "Tensor"]
"""Images float32 (B, C, H, W) in [-1, 1] -> the same shape, as the discriminator sees them; differentiable."""


@dataclass(frozen=True)
class GAN:
    """A pair of networks.

    >>> import torch
    >>> from torch import nn
    >>> from ganexp import GAN
    >>> def tiny(image_shape, *, latent_dim: int = 8) -> GAN:  # conf/model/tiny.yaml names it as its _target_
    ...     channels, rows, columns = image_shape
    ...     size = channels * rows * columns
    ...     generator = nn.Sequential(nn.Linear(latent_dim, size), nn.Tanh(), nn.Unflatten(1, image_shape))
    ...     discriminator = nn.Sequential(nn.Flatten(), nn.Linear(size, 1), nn.Flatten(0))
    ...     return GAN(generator, discriminator, latent_dim)
    >>> tiny((1, 28, 28)).generator(torch.randn(5, 8)).shape
    torch.Size([5, 1, 28, 28])

    A network whose attribute `batch_independent` is true declares that its output for one image does not depend on the
    others in the batch (no batch statistics): such batches are joined, and gradient penalties make sense.
    """

    generator: nn.Module  # (B, latent_dim) -> (B, C, H, W) in [-1, 1]; conditional: (z, labels (B,) int64)
    discriminator: nn.Module  # (B, C, H, W) in [-1, 1] -> logits (B,), no probabilities; conditional: (images, labels)
    latent_dim: int  # length of the latent vector z
    latent: Literal["normal", "uniform"] = "normal"  # z ~ N(0, I), or uniform on (-sqrt 3, sqrt 3): unit variance
    num_classes: int | None = None  # labels are 0 .. num_classes - 1; None: the networks take no labels


@dataclass(frozen=True)
class AdversarialLoss:
    """The two players' losses, as functions of logits.

    >>> import torch
    >>> from ganexp import AdversarialLoss
    >>> def least_squares() -> AdversarialLoss:
    ...     return AdversarialLoss(
    ...         discriminator=lambda real, fake: (real - 1).square().mean() + fake.square().mean(),
    ...         generator=lambda real, fake: (fake - 1).square().mean(),
    ...         probabilistic=False,
    ...     )
    >>> least_squares().discriminator(torch.ones(4), torch.full((4,), 0.5))
    tensor(0.2500)
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]  # logits (B,) of real and of fake images -> scalar to minimise
    generator: Callable[[Tensor | None, Tensor], Tensor]  # likewise; real is None unless `generator_uses_real`
    warmup_generator: Callable[[Tensor | None, Tensor], Tensor] | None = None  # in epochs 1 .. warmup_epochs
    warmup_epochs: int = 0
    probabilistic: bool = True  # sigma(logit) is the discriminator's probability that an image is real
    generator_uses_real: bool = False  # the generator's loss needs the real logits (relativistic losses)
    lipschitz: bool = False  # the game is defined over Lipschitz discriminators (Wasserstein losses)

    def generator_at(self, epoch: int) -> Callable[[Tensor | None, Tensor], Tensor]:
        """The generator's loss in `epoch` (1-based)."""
        if self.warmup_generator is not None and epoch <= self.warmup_epochs:
            return self.warmup_generator
        return self.generator


@dataclass(frozen=True)
class Penalty:
    """A term added to the discriminator's loss, or a constraint of its weights.

    >>> from ganexp import Moment, Penalty
    >>> def drift(*, weight: float = 1e-3) -> Penalty:  # Karras et al. 2018, appendix A.1
    ...     return Penalty(lambda critic, real, fake: weight * critic(real).square().mean(), every_steps=4)
    >>> [drift().weight(step, Moment.start()) for step in range(5)]  # in which discriminator steps, and how much
    [4.0, 0.0, 0.0, 0.0, 4.0]

    `term` maps (critic, real, fake), images float32 (B, C, H, W), to a scalar. `every_steps` is lazy regularisation
    (Karras et al. 2020, StyleGAN2, section 3.1).
    """

    term: Callable[[Critic, Tensor, Tensor], Tensor] | None = None  # added to the loss
    every_steps: int = 1  # the term is taken in every so many discriminator steps, times as much
    schedule: Schedule = field(default_factory=Schedule)  # factor of the term over the training
    constrain: Callable[[nn.Module], None] | None = None  # called after each discriminator step
    per_image: bool = False  # the term is about the gradient at single images, which batch statistics would mix
    lipschitz_only: bool = False  # makes sense only with losses that ask for a Lipschitz discriminator

    def weight(self, d_step: int, now: Moment) -> float:
        """Factor of the term in the discriminator's step number `d_step` (from 0); 0 where it is not taken."""
        if self.term is None or d_step % self.every_steps:
            return 0.0
        return self.every_steps * self.schedule.at(now)


class Optimizer(Protocol):
    """What training calls of an optimizer; those of torch.optim have it.

    >>> import torch
    >>> from ganexp import Optimizer
    >>> def averaged(parameters, *, lr: float = 1e-4) -> Optimizer:
    ...     return torch.optim.ASGD(parameters, lr=lr)
    >>> optimizer = averaged([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    >>> optimizer.param_groups[0]["lr"]
    0.1
    """

    param_groups: list[dict[str, Any]]  # settings by name, such as "lr"; schedules change them

    def step(self) -> Any:
        """Update the parameters from their gradients."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index of the parameter: {name: value}}, ...}."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
