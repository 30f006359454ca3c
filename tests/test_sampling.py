from dataclasses import replace

import pytest
import torch

from ganexp.model import mlp
from ganexp.trainer.sampling import BLOCK, decode, draw_labels, latents, sampler


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


COUNTS = [30, 0, 10, 60]


def test_another_draw_has_other_latents_and_labels_and_is_the_same_each_time(draw):
    labelled = replace(draw, label_counts=COUNTS)
    assert not torch.equal(draw.redrawn()(6), draw(6))
    assert torch.equal(draw.redrawn()(6), draw.redrawn()(6))
    first, second = labelled.labels(BLOCK), labelled.redrawn().labels(BLOCK)
    assert not torch.equal(first, second)
    assert (torch.bincount(first, minlength=4) - torch.bincount(second, minlength=4)).abs().max() <= 2


@pytest.mark.parametrize("count", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1])
def test_fewer_labels_are_the_first_of_more(count):
    assert torch.equal(draw_labels(COUNTS, count, 0), draw_labels(COUNTS, 2 * BLOCK + 3, 0)[:count])


def test_labels_come_as_often_as_in_the_training_data():
    found = torch.bincount(draw_labels(COUNTS, 20_000, 3), minlength=4) / 20_000
    assert found.tolist() == pytest.approx([0.3, 0.0, 0.1, 0.6], abs=0.015)
    assert not torch.equal(draw_labels(COUNTS, 50, 0), draw_labels(COUNTS, 50, 1))


def test_no_block_of_labels_has_a_chance_surplus_of_a_class():
    labels = draw_labels(COUNTS, 8 * BLOCK, 3)
    for block in labels.reshape(8, BLOCK):
        found = torch.bincount(block, minlength=4)
        for count, share in zip(found.tolist(), [0.3, 0.0, 0.1, 0.6], strict=True):
            assert abs(count - share * BLOCK) < 2
        assert not torch.equal(block, block.sort().values)


def test_a_conditional_sampler_gives_the_images_of_its_labels():
    torch.manual_seed(0)
    gan = mlp((1, 4, 4), latent_dim=3, generator_widths=(6,), conditional=True, num_classes=4)
    draw = sampler(gan.generator, "normal", 3, torch.device("cpu"), label_counts=COUNTS)
    labels = draw.labels(BLOCK + 5)
    with torch.no_grad():
        one_by_one = gan.generator(latents("normal", 3, BLOCK + 5, 0), labels)
    torch.testing.assert_close(draw(BLOCK + 5), one_by_one)
    assert torch.equal(draw(7), draw(BLOCK + 5)[:7])
    other = decode(gan.generator, latents("normal", 3, 7, 0), torch.device("cpu"), (labels[:7] + 1) % 4)
    assert not torch.allclose(draw(7), other)


def test_an_unconditional_sampler_has_no_labels(draw):
    assert draw.labels(5) is None
