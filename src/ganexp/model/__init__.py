"""Networks, each option a function (image_shape, settings) -> GAN."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Len

from ganexp.model.discriminator import MaxoutDiscriminator
from ganexp.model.generator import MLPGenerator
from ganexp.schema import NonNegative, PositiveInt, Probability
from ganexp.types import GAN, ImageShape

Widths = Annotated[tuple[PositiveInt, ...], Len(1)]


def mlp(
    image_shape: ImageShape,
    *,
    latent_dim: PositiveInt = 100,
    latent: Literal["normal", "uniform"] = "normal",
    generator_widths: Widths = (512, 1024),
    discriminator_width: PositiveInt = 512,
    maxout_units: PositiveInt = 256,
    maxout_pieces: PositiveInt = 2,
    leak: NonNegative = 0.2,
    dropout: Probability = 0.3,
) -> GAN:
    """A perceptron generator against a maxout discriminator with dropout.

    Args:
        image_shape: (C, H, W).
        latent_dim: length of z.
        latent: distribution of z.
        generator_widths: units of the generator's hidden layers.
        discriminator_width: units of the discriminator's first layer.
        maxout_units: outputs of its maxout layer.
        maxout_pieces: linear maps that each of them is the maximum of.
        leak: slope of LeakyReLU below zero, in both nets.
        dropout: share of the discriminator's units dropped, before and after maxout.
    """
    generator = MLPGenerator(image_shape, latent_dim, generator_widths, leak)
    discriminator = MaxoutDiscriminator(image_shape, discriminator_width, maxout_units, maxout_pieces, leak, dropout)
    return GAN(generator, discriminator, latent_dim, latent)
