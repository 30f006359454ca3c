import pytest
import torch

from ganexp.model import mlp
from ganexp.sampling import BLOCK, latents, sampler


@pytest.fixture
def draw():
    torch.manual_seed(0)
    gan = mlp((1, 4, 4), latent_dim=3, generator_widths=(6,))
    return sampler(gan.generator, "normal", 3, torch.device("cpu"))


@pytest.mark.parametrize("count", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1])
def test_fewer_images_are_the_first_of_more(draw, count):
    assert torch.equal(draw(count), draw(2 * BLOCK + 3)[:count])


def test_sampling_leaves_the_generators_randomness_and_mode_alone(draw):
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    draw(5)
    assert torch.equal(torch.randn(4), expected)


def test_latents_of_another_seed_differ():
    assert not torch.equal(latents("normal", 3, 5, 0), latents("normal", 3, 5, 1))


def test_uniform_latents_have_unit_variance_within_their_bounds():
    z = latents("uniform", 10, 5000, 0)
    assert float(z.abs().max()) <= 3**0.5
    assert float(z.var()) == pytest.approx(1.0, abs=0.02)
