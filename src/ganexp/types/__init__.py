"""The typed things that the parts of ganexp hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ganexp.types.schedule import Moment, Schedule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

ImageShape = tuple[int, int, int]
"""(channels, height, width)."""

Sampler = Callable[[int], "Tensor"]
"""n -> float32 (n, C, H, W) in [-1, 1]; deterministic and prefix-stable: sample(100) equals sample(200)[:100]."""


@runtime_checkable
class LabelledSampler(Protocol):
    """A `Sampler` of a conditional generator."""

    def __call__(self, count: int, /) -> Tensor:
        """The first `count` images."""

    def labels(self, count: int) -> Tensor | None:
        """The labels that they were asked for, int64 (count,); None: unconditional."""


Critic = Callable[["Tensor"], "Tensor"]
"""A discriminator whose labels, if it takes any, are settled: images (B, C, H, W) in [-1, 1] -> logits (B,)."""


class Optimizer(Protocol):
    """What training asks of an optimizer; those of torch.optim are some.

    Attributes:
        param_groups: settings by name, such as "lr"; schedules change them.
    """

    param_groups: list[dict[str, Any]]

    def step(self) -> Any:
        """Update the parameters from their gradients."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index of the parameter: {name: value}}, ...}."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""


@dataclass(frozen=True)
class Dataset:
    """Images ready for training, and the held-out ones that they are measured against.

    Attributes:
        name: the dataset's name, e.g. "mnist".
        train: uint8 (N, C, H, W), memory-mapped, at the size the networks see.
        train_labels: int64 (N,), or None for unlabelled data.
        reference: uint8 (M, C, H, W), held out: neither the GAN nor the classifier trains on it.
        reference_labels: int64 (M,), or None.
        reference_origin: where the reference comes from, e.g. "test split".
        fingerprint: hex digest of the content, the size and the number of images.
        num_classes: number of distinct labels, or None.
        cache_dir: writable folder for what is derived from this dataset.
    """

    name: str
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64] | None
    reference: NDArray[np.uint8]
    reference_labels: NDArray[np.int64] | None
    reference_origin: str
    fingerprint: str
    num_classes: int | None
    cache_dir: Path

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of the images."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width


@dataclass(frozen=True)
class GAN:
    """A pair of networks.

    A network whose attribute `batch_independent` is true declares that what it makes of one image does not depend on
    the others in the batch (no batch statistics): such batches are joined, and gradient penalties make sense.

    Attributes:
        generator: (B, latent_dim) -> (B, C, H, W) in [-1, 1]; conditional: (z, labels (B,) int64).
        discriminator: (B, C, H, W) in [-1, 1] -> (B,) logits, never probabilities; conditional: (images, labels).
        latent_dim: length of the latent vector z.
        latent: distribution of z: N(0, I), or uniform on (-sqrt 3, sqrt 3), which has unit variance too.
        num_classes: labels are 0 .. num_classes - 1; None: the networks take no labels.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    latent: Literal["normal", "uniform"] = "normal"
    num_classes: int | None = None


@dataclass(frozen=True)
class AdversarialLoss:
    """The two players' losses, as functions of logits.

    Attributes:
        discriminator: (real logits (B,), fake logits (B,)) -> scalar to minimise.
        generator: (real logits (B,) or None, fake logits (B,)) -> scalar to minimise.
        warmup_generator: used instead of `generator` in epochs 1 .. warmup_epochs.
        warmup_epochs: number of warm-up epochs.
        probabilistic: sigma(logit) is the discriminator's probability that an image is real.
        generator_uses_real: the generator's loss needs the real logits (relativistic losses).
        lipschitz: the game is defined over Lipschitz discriminators (Wasserstein losses).
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    warmup_generator: Callable[[Tensor | None, Tensor], Tensor] | None = None
    warmup_epochs: int = 0
    probabilistic: bool = True
    generator_uses_real: bool = False
    lipschitz: bool = False

    def generator_at(self, epoch: int) -> Callable[[Tensor | None, Tensor], Tensor]:
        """The generator's loss in `epoch` (1-based)."""
        if self.warmup_generator is not None and epoch <= self.warmup_epochs:
            return self.warmup_generator
        return self.generator


@dataclass(frozen=True)
class Penalty:
    """What is asked of the discriminator beside its loss.

    Attributes:
        term: (critic, real (B, C, H, W), fake (B, C, H, W), both float32) -> scalar that is added to its loss.
        every_steps: the term is taken in every so many of its steps, times as much (lazy regularisation, Karras et
            al. 2020, StyleGAN2, section 3.1).
        schedule: factor of the term over the training.
        constrain: done to the discriminator after each of its steps.
        per_image: the term is about the gradient at single images, which batch statistics would mix.
        lipschitz_only: makes sense only with losses that ask for a Lipschitz discriminator.
    """

    term: Callable[[Critic, Tensor, Tensor], Tensor] | None = None
    every_steps: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    constrain: Callable[[nn.Module], None] | None = None
    per_image: bool = False
    lipschitz_only: bool = False

    def weight(self, d_step: int, now: Moment) -> float:
        """Factor of the term in the discriminator's step number `d_step` (from 0); 0 where it is not taken."""
        if self.term is None or d_step % self.every_steps:
            return 0.0
        return self.every_steps * self.schedule.at(now)


@dataclass(frozen=True)
class Scores:
    """What one evaluation found.

    Attributes:
        values: column -> value on reference half B; `<objective>_half_a` is the objective on half A, for choosing.
        floors: column -> the same metric between real images and real images.
        provenance: how the values were made (JSON-able); values of different provenance are never ranked together.
    """

    values: Mapping[str, float]
    floors: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
