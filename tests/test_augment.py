"""Augmentations: against the paper's code, with gradients, and what is refused beside them."""

import pytest
import torch
from torch.nn.functional import pad

from ganexp.augment import diffaugment, flip
from ganexp.types.errors import ConfigError
from helpers import compose_config


def published(x):
    """DiffAugment_pytorch.py of Zhao et al. 2020, policy color,translation,cutout, with its random numbers."""
    count, _, rows, columns = x.shape
    x = x + (torch.rand(count, 1, 1, 1) - 0.5)
    mean = x.mean(dim=1, keepdim=True)
    x = (x - mean) * (torch.rand(count, 1, 1, 1) * 2) + mean
    mean = x.mean(dim=[1, 2, 3], keepdim=True)
    x = (x - mean) * (torch.rand(count, 1, 1, 1) + 0.5) + mean
    shift = int(rows * 0.125 + 0.5), int(columns * 0.125 + 0.5)
    down = torch.randint(-shift[0], shift[0] + 1, size=[count, 1, 1])
    right = torch.randint(-shift[1], shift[1] + 1, size=[count, 1, 1])
    batch, first, second = torch.meshgrid(torch.arange(count), torch.arange(rows), torch.arange(columns), indexing="ij")
    first, second = torch.clamp(first + down + 1, 0, rows + 1), torch.clamp(second + right + 1, 0, columns + 1)
    x = pad(x, [1, 1, 1, 1, 0, 0, 0, 0]).permute(0, 2, 3, 1).contiguous()[batch, first, second].permute(0, 3, 1, 2)
    size = int(rows * 0.5 + 0.5), int(columns * 0.5 + 0.5)
    top = torch.randint(0, rows + (1 - size[0] % 2), size=[count, 1, 1])
    left = torch.randint(0, columns + (1 - size[1] % 2), size=[count, 1, 1])
    batch, first, second = torch.meshgrid(
        torch.arange(count), torch.arange(size[0]), torch.arange(size[1]), indexing="ij"
    )
    first = torch.clamp(first + top - size[0] // 2, min=0, max=rows - 1)
    second = torch.clamp(second + left - size[1] // 2, min=0, max=columns - 1)
    mask = torch.ones(count, rows, columns)
    mask[batch, first, second] = 0
    return x * mask.unsqueeze(1)


@pytest.mark.parametrize("shape", [(40, 3, 32, 32), (40, 1, 28, 28), (9, 3, 10, 16)])
def test_diffaugment_is_the_papers(shape):
    images = (torch.rand(shape) * 2 - 1).requires_grad_(True)
    torch.manual_seed(3)
    ours = diffaugment()(images)
    torch.manual_seed(3)
    theirs = published(images)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(shape)
    gradients = [torch.autograd.grad((each * weights).sum(), images)[0] for each in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_each_part_can_be_left_out():
    images = torch.rand(6, 3, 8, 8) * 2 - 1
    assert torch.equal(diffaugment(colour=False, translation=0, cutout=0)(images), images)
    cut = diffaugment(colour=False, translation=0)(images)
    assert set((cut == 0).sum(dim=(1, 2, 3)).tolist()) <= {3 * a * b for a in (2, 3, 4) for b in (2, 3, 4)}
    assert torch.equal(cut[cut != 0], images[cut != 0])


def test_flip_mirrors_about_half_and_nothing_else():
    images = torch.rand(200, 1, 4, 6)
    torch.manual_seed(0)
    seen = flip()(images)
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(seen, images, strict=True)]
    assert 60 < sum(mirrored) < 140
    assert all(m or torch.equal(a, b) for m, a, b in zip(mirrored, seen, images, strict=True))


def test_label_smoothing_is_refused_where_there_is_no_probability():
    from ganexp.config.run_config import load

    with pytest.raises(
        ConfigError, match=r"loss.label_smoothing: unknown key.* target of a probability .*minimax alone"
    ):
        load(compose_config("loss=hinge", "+loss.label_smoothing=0.1"))
    with pytest.raises(ConfigError, match=r"loss.label_smoothing: expected a value less than 0.5"):
        load(compose_config("loss.label_smoothing=0.5"))
