"""The options of the group `model`, each a function (image_shape, settings) -> GAN.

Settings that several of them have:
    num_classes: of the dataset, supplied by ganexp; only a conditional model makes use of it.
    conditional: both networks take the label.
    latent_dim, latent: length and distribution of z.
    activation, leak: of all layers but the last; leak is the slope of leaky_relu below zero.
    depth: number of halvings of the image; None: as many as leave maps of 4 pixels or more (28: 2, 32: 3).
    output_scale: images are tanh times this, clipped to [-1, 1]; tanh alone only approaches black and white.
    spectral_norm: spectral normalisation of the discriminator (Miyato et al. 2018).
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len

from ganexp.model.discriminator import Discriminator, dcgan_features, features_2014, maxout_features, residual_features
from ganexp.model.generator import Generator, dcgan_generator, generator_2014, mlp_generator, residual_generator
from ganexp.model.parts import Activation, activation_of, classes, halvings
from ganexp.types import GAN, ImageShape
from ganexp.types.bounds import LARGEST, NonNegative, Probability
from ganexp.types.errors import ConfigError

Latent = Literal["normal", "uniform"]
Finite = Annotated[float, Ge(-LARGEST), Le(LARGEST)]
Share = Annotated[float, Gt(0), Le(1)]
Spread = Annotated[float, Gt(0), Le(1000)]
Scale = Annotated[float, Ge(1), Le(1000)]
Channels = Annotated[int, Ge(0), Le(2**16)]
Width = Annotated[int, Ge(1), Le(2**16)]
Depth = Annotated[int, Ge(1), Le(100)]
Widths = Annotated[tuple[Width, ...], Len(1, 100)]


def mlp(
    image_shape: ImageShape,
    *,
    num_classes: int | None = None,
    conditional: bool = False,
    latent_dim: Width = 100,
    latent: Latent = "normal",
    generator_widths: Widths = (512, 1024),
    output_scale: Scale = 1.0,
    discriminator_stem: Channels = 0,
    discriminator_width: Width = 512,
    discriminator_depth: Depth = 1,
    maxout_units: Width = 256,
    maxout_pieces: Width = 2,
    activation: Activation = "leaky_relu",
    leak: NonNegative = 0.2,
    dropout: Probability = 0.3,
    spectral_norm: bool = False,
) -> GAN:
    """A perceptron generator against a maxout discriminator with dropout.

    Settings:
        generator_widths: units of the generator's hidden layers.
        discriminator_stem: channels of a convolution before the discriminator's layers (4 x 4, stride 2); 0: none.
        discriminator_width, discriminator_depth: units and number of the discriminator's layers before maxout.
        maxout_units: outputs of its maxout layer.
        maxout_pieces: linear maps that each of them is the maximum of.
        dropout: share of the discriminator's units dropped, after each of its layers.
    """
    if discriminator_stem and min(image_shape[1:]) < 2:
        rows, columns = image_shape[1:]
        raise ConfigError(f"model.discriminator_stem: expected images of 2 pixels or more, got {rows} x {columns}")
    labels, active = classes(conditional, num_classes), activation_of(activation, leak)
    body = mlp_generator(image_shape, latent_dim + (labels or 0), generator_widths, active, output_scale)
    widths = [discriminator_width] * discriminator_depth
    features = maxout_features(image_shape, widths, maxout_units, maxout_pieces, active, dropout, discriminator_stem)
    discriminator = Discriminator(features, maxout_units, labels, spectral=spectral_norm)
    return GAN(Generator(body, labels), discriminator, latent_dim, latent, labels)


def mlp_2014(
    image_shape: ImageShape,
    *,
    num_classes: int | None = None,
    conditional: bool = False,
    latent_dim: Width = 100,
    latent: Latent = "uniform",
    generator_widths: Widths = (1200, 1200),
    generator_spread: Spread = 0.05,
    generator_bias: Finite = 0.0,
    maxout_layers: Depth = 2,
    maxout_units: Width = 240,
    maxout_pieces: Width = 5,
    discriminator_spread: Spread = 0.005,
    keep_input: Share = 0.8,
    keep_hidden: Share = 0.5,
    spectral_norm: bool = False,
) -> GAN:
    """The MNIST networks of the GAN paper (Goodfellow et al. 2014, section 5, and the code that it points to).

    Settings:
        generator_widths: units of the generator's ReLU layers; a sigmoid follows.
        generator_bias: the sigmoid's biases start here: the logit of the mean pixel in [0, 1] starts with images as
            dark as the data (the paper's code takes each pixel's own mean).
        generator_spread, discriminator_spread: weights start uniform on (-spread, spread).
        maxout_layers, maxout_units: number of the discriminator's hidden layers, and outputs of each.
        maxout_pieces: linear maps that each output is the maximum of.
        keep_input, keep_hidden: share of the pixels and of the hidden units that dropout keeps.
    """
    labels, keep = classes(conditional, num_classes), (keep_input, keep_hidden)
    body = generator_2014(image_shape, latent_dim + (labels or 0), generator_widths, generator_spread, generator_bias)
    features = features_2014(image_shape, maxout_layers, maxout_units, maxout_pieces, keep, discriminator_spread)
    discriminator = Discriminator(features, maxout_units, labels, spectral=spectral_norm)
    return GAN(Generator(body, labels), discriminator, latent_dim, latent, labels)


def dcgan(
    image_shape: ImageShape,
    *,
    num_classes: int | None = None,
    conditional: bool = False,
    latent_dim: Width = 100,
    latent: Latent = "normal",
    generator_dense: Channels = 0,
    discriminator_dense: Channels = 0,
    width: Width = 64,
    depth: Depth | None = None,
    generator_activation: Activation = "relu",
    discriminator_activation: Activation = "leaky_relu",
    leak: NonNegative = 0.2,
    generator_norm: Literal["batch", "none"] = "batch",
    output_scale: Scale = 1.0,
    discriminator_norm: Literal["batch", "none"] = "batch",
    spectral_norm: bool = False,
) -> GAN:
    """Strided convolutions with batch normalisation (Radford et al. 2016, DCGAN); sides divisible by 2 ** depth.

    Settings:
        generator_dense: units of a linear layer before the generator's convolutions (Chen et al. 2016); 0: none.
        discriminator_dense: units of one after the discriminator's; 0: none.
        width: channels at half the image's size; each halving has twice as many.
        discriminator_norm: gradient penalties need "none".
    """
    labels, levels = classes(conditional, num_classes), halvings(image_shape, depth)
    active, batch = activation_of(generator_activation, leak), generator_norm == "batch"
    inputs = latent_dim + (labels or 0)
    body = dcgan_generator(image_shape, inputs, generator_dense, width, levels, active, batch, output_scale)
    generator = Generator(body, labels, batch_independent=not batch)
    active, batch = activation_of(discriminator_activation, leak), discriminator_norm == "batch"
    features, count = dcgan_features(image_shape, discriminator_dense, width, levels, active, batch)
    discriminator = Discriminator(features, count, labels, spectral=spectral_norm, batch_independent=not batch)
    return GAN(generator, discriminator, latent_dim, latent, labels)


def resnet(
    image_shape: ImageShape,
    *,
    num_classes: int | None = None,
    conditional: bool = False,
    latent_dim: Width = 64,
    latent: Latent = "normal",
    generator_width: Width = 32,
    discriminator_width: Width = 32,
    depth: Depth | None = None,
    blocks: Depth = 1,
    output_scale: Scale = 1.0,
    activation: Activation = "leaky_relu",
    leak: NonNegative = 0.2,
    spectral_norm: bool = False,
) -> GAN:
    """Small residual networks without normalisation (after Huang et al. 2024, R3GAN, section 3).

    Settings:
        generator_width, discriminator_width: channels at the image's full size, whose sides are divisible by
            2 ** depth; each halving has twice as many.
        blocks: residual blocks at each size.
    """
    labels, levels = classes(conditional, num_classes), halvings(image_shape, depth)
    active, inputs = activation_of(activation, leak), latent_dim + (labels or 0)
    body = residual_generator(image_shape, inputs, generator_width, levels, blocks, active, output_scale)
    features, count = residual_features(image_shape, discriminator_width, levels, blocks, active)
    discriminator = Discriminator(features, count, labels, spectral=spectral_norm)
    return GAN(Generator(body, labels), discriminator, latent_dim, latent, labels)
