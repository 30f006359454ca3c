"""The networks: shapes, ranges, what they declare, and the options that change them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ganexp.model import dcgan, mlp, mlp_2014, resnet
from ganexp.model.parts import ClippedTanh
from ganexp.trainer.ema import update_ema
from ganexp.types.errors import ConfigError


def mlp_with_stem(image_shape, **settings):
    return mlp(image_shape, discriminator_stem=3, **settings)


def dcgan_with_dense(image_shape, **settings):
    return dcgan(image_shape, generator_dense=5, discriminator_dense=3, **settings)


SMALL = {
    mlp: {"generator_widths": (6,), "discriminator_width": 6, "maxout_units": 4},
    mlp_with_stem: {"generator_widths": (6,), "discriminator_width": 6, "maxout_units": 4},
    mlp_2014: {"generator_widths": (6,), "maxout_units": 4, "maxout_pieces": 2},
    dcgan: {"width": 2},
    dcgan_with_dense: {"width": 2},
    resnet: {"generator_width": 2, "discriminator_width": 2},
}
CONVOLUTIONS = (dcgan, dcgan_with_dense)
MAKES = pytest.mark.parametrize("make", SMALL, ids=lambda make: make.__name__)


@MAKES
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32), (4, 16, 24)])
def test_images_of_any_channels_and_sizes(make, shape):
    gan = make(shape, latent_dim=5, **SMALL[make])
    images = gan.generator(torch.randn(3, 5))
    assert images.shape == (3, *shape)
    assert float(images.detach().abs().max()) <= 1
    assert gan.discriminator(images).shape == (3,)


def test_a_clipped_tanh_reaches_the_ends_at_finite_inputs_and_follows_tanh_between():
    x = torch.tensor([-9.0, -2.0, -0.5, 0.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    y = ClippedTanh(1.1)(x)
    y.sum().backward()
    inner = 1.1 * np.tanh(0.5)
    assert y.tolist() == pytest.approx([-1.0, -1.0, -inner, 0.0, inner, 1.0])
    slope = 1.1 * (1 - np.tanh(0.5) ** 2)
    assert x.grad.tolist() == pytest.approx([0.0, 0.0, slope, 1.1, slope, 0.0])


@pytest.mark.parametrize("make", [mlp, dcgan, resnet], ids=lambda make: make.__name__)
def test_images_are_scaled_and_clipped_as_the_output_scale_says(make):
    torch.manual_seed(0)
    plain = make((1, 28, 28), latent_dim=5, **SMALL[make]).generator
    torch.manual_seed(0)
    scaled = make((1, 28, 28), latent_dim=5, output_scale=40.0, **SMALL[make]).generator
    z = torch.randn(3, 5) * 10
    expected = (40.0 * plain(z)).clamp(-1, 1)
    torch.testing.assert_close(scaled(z), expected)
    assert int((expected.abs() == 1).sum()) > 0


@MAKES
def test_what_a_net_declares_is_true(make):
    torch.manual_seed(0)
    gan = make((1, 28, 28), latent_dim=5, **SMALL[make])
    for net, inputs in ((gan.generator, torch.randn(6, 5)), (gan.discriminator, torch.rand(6, 1, 28, 28) * 2 - 1)):
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        alone = torch.cat([net(each[None]) for each in inputs])
        assert torch.allclose(net(inputs), alone, atol=1e-5) == net.batch_independent
    assert gan.generator.batch_independent == (make not in CONVOLUTIONS)


def test_dcgan_without_normalisation_declares_to_be_independent():
    gan = dcgan((1, 28, 28), width=2, generator_norm="none", discriminator_norm="none")
    assert gan.generator.batch_independent
    assert gan.discriminator.batch_independent
    assert not any(isinstance(m, nn.BatchNorm2d) for net in (gan.generator, gan.discriminator) for m in net.modules())


@pytest.mark.parametrize("make", CONVOLUTIONS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)])
def test_batch_statistics_of_a_last_batch_of_one_image_are_over_its_pixels(shape, make):
    gan = make(shape, width=2, latent_dim=5)
    assert torch.isfinite(gan.discriminator(gan.generator(torch.randn(1, 5)))).all()


def sizes_of(make, shape, **settings):
    net = make(shape, **SMALL[make], **settings).generator.body
    return [tuple(m.unflattened_size[1:]) for m in net.modules() if isinstance(m, nn.Unflatten)]


@pytest.mark.parametrize("make", [dcgan, resnet])
@pytest.mark.parametrize(
    ("side", "depth", "coarsest"), [(28, None, 7), (32, None, 4), (32, 2, 8), (32, 4, 2), (8, None, 4)]
)
def test_depth_is_the_number_of_halvings(make, side, depth, coarsest):
    assert sizes_of(make, (1, side, side), depth=depth) == [(coarsest, coarsest)]


@pytest.mark.parametrize("make", [dcgan, resnet])
@pytest.mark.parametrize(("side", "depth"), [(28, 3), (32, 5), (7, None), (6, None)])
def test_images_that_cannot_be_halved_are_refused(make, side, depth):
    with pytest.raises(ConfigError, match=rf"model\.depth: expected images whose sides.*got {side} x {side}"):
        make((1, side, side), depth=depth)


def test_the_residual_branches_start_at_zero():
    gan = resnet((1, 28, 28), generator_width=2, discriminator_width=2, blocks=2)
    zeroed = [m.second for m in gan.discriminator.modules() if hasattr(m, "second")]
    assert len(zeroed) == 4
    assert all(float(conv.weight.detach().abs().max()) == 0 for conv in zeroed)


def test_the_2014_networks_are_the_papers():
    gan = mlp_2014((1, 28, 28))
    assert gan.latent == "uniform"
    weights = [tuple(m.weight.shape) for m in gan.generator.modules() if isinstance(m, nn.Linear)]
    assert weights == [(1200, 100), (1200, 1200), (784, 1200)]
    weights = [tuple(m.weight.shape) for m in gan.discriminator.modules() if isinstance(m, nn.Linear)]
    assert weights == [(1200, 784), (1200, 240), (1, 240)]
    dropped = [m.p for m in gan.discriminator.modules() if isinstance(m, nn.Dropout)]
    assert dropped == pytest.approx([0.2, 0.5, 0.5])
    spread = max(float(p.detach().abs().max()) for p in gan.generator.parameters())
    assert 0.0499 < spread <= 0.05


def test_activation_and_depth_are_settings():
    gan = mlp((1, 4, 4), generator_widths=(3, 4, 5), discriminator_depth=3, activation="silu")
    kinds = [type(m).__name__ for m in gan.generator.modules()]
    assert kinds.count("SiLU") == 3
    kinds = [type(m).__name__ for m in gan.discriminator.modules()]
    assert (kinds.count("SiLU"), kinds.count("LeakyReLU"), kinds.count("Dropout")) == (3, 0, 4)


def test_a_stem_is_a_convolution_before_the_discriminators_layers():
    gan = mlp((3, 8, 6), discriminator_stem=5, discriminator_width=7, maxout_units=4)
    stem, flat = gan.discriminator.features[0], gan.discriminator.features[3]
    plain = mlp((3, 8, 6)).discriminator.features[0]
    assert (tuple(stem.weight.shape), stem.stride) == ((5, 3, 4, 4), (2, 2))
    assert isinstance(plain, nn.Flatten)
    assert tuple(flat.weight.shape) == (7, 5 * 4 * 3)
    assert gan.discriminator(torch.zeros(2, 3, 8, 6)).shape == (2,)
    assert gan.discriminator.batch_independent
    with pytest.raises(ConfigError, match=r"discriminator_stem: expected images of 2 pixels or more, got 1 x 8"):
        mlp((3, 1, 8), discriminator_stem=5)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_dense_layers_are_before_the_generators_convolutions_and_after_the_discriminators(norm):
    gan = dcgan(
        (1, 28, 28),
        width=2,
        latent_dim=6,
        generator_dense=5,
        discriminator_dense=3,
        generator_norm=norm,
        discriminator_norm=norm,
    )
    linear = [tuple(m.weight.shape) for m in gan.generator.modules() if isinstance(m, nn.Linear)]
    assert linear == [(5, 6), (4 * 49, 5)]
    linear = [tuple(m.weight.shape) for m in gan.discriminator.modules() if isinstance(m, nn.Linear)]
    assert linear == [(3, 4 * 49), (1, 3)]
    kinds = [type(m).__name__ for m in gan.generator.body]
    assert kinds[:3] == ["Linear", "ReLU", "Linear"]
    kinds = [type(m).__name__ for m in gan.discriminator.features]
    assert kinds[-3:] == ["Flatten", "Linear", "LeakyReLU"]


@MAKES
def test_spectral_norm_bounds_each_layer_of_the_discriminator_alone(make):
    torch.manual_seed(0)
    norm = {"discriminator_norm": "none"} if make in CONVOLUTIONS else {}
    gan = make((1, 28, 28), conditional=True, num_classes=4, spectral_norm=True, **norm, **SMALL[make])
    with torch.no_grad():
        for _ in range(200):
            gan.discriminator(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))
    normalised = [m for m in gan.discriminator.modules() if hasattr(m, "parametrizations")]
    kinds = (nn.Linear, nn.Conv2d, nn.Embedding)
    assert len(normalised) == sum(isinstance(m, kinds) for m in gan.discriminator.modules()) > 2
    for module in normalised:
        if float(module.parametrizations.weight.original.detach().abs().max()):
            largest = torch.linalg.matrix_norm(module.weight.detach().flatten(1), ord=2)
            assert float(largest) == pytest.approx(1.0, abs=0.02)
    assert not any(hasattr(m, "parametrizations") for m in gan.generator.modules())
    assert gan.discriminator.batch_independent


def test_checkpoints_carry_the_vectors_of_the_power_iteration():
    make = lambda: mlp((1, 4, 4), spectral_norm=True, dropout=0.0).discriminator  # noqa: E731
    trained, fresh = make(), make()
    images = torch.rand(3, 1, 4, 4)
    trained(images)
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained(images), fresh(images))
    assert any(name.endswith("_u") for name in trained.state_dict())


def test_the_average_is_one_of_batch_statistics_too():
    gan = dcgan((1, 8, 8), width=2, latent_dim=3)
    start, average = copy.deepcopy(gan.generator), copy.deepcopy(gan.generator)
    gan.generator(torch.randn(4, 3))
    update_ema(average, gan.generator, 0.9)
    for before, mine, theirs in zip(start.buffers(), average.buffers(), gan.generator.buffers(), strict=True):
        expected = torch.lerp(before, theirs, 0.1) if before.is_floating_point() else theirs
        torch.testing.assert_close(mine, expected)


@MAKES
def test_conditional_networks_listen_to_the_label(make):
    torch.manual_seed(0)
    gan = make((1, 28, 28), latent_dim=5, conditional=True, num_classes=3, **SMALL[make])
    assert gan.num_classes == 3
    gan.generator.eval(), gan.discriminator.eval()
    z, labels = torch.randn(1, 5).repeat(3, 1), torch.arange(3)
    images = gan.generator(z, labels)
    assert not torch.allclose(images[0], images[1])
    features = gan.discriminator.features(images)
    wanted = gan.discriminator.logit(features).squeeze(1) + (gan.discriminator.embedding.weight * features).sum(1)
    torch.testing.assert_close(gan.discriminator(images, labels), wanted)


@MAKES
def test_a_conditional_model_needs_labels(make):
    with pytest.raises(ConfigError, match=r"model\.conditional: expected a dataset with labels"):
        make((1, 28, 28), conditional=True, **SMALL[make])
    assert make((1, 28, 28), num_classes=3, **SMALL[make]).num_classes is None
