from __future__ import annotations

import numpy as np
from PIL import Image

from ganexp.dataset.picture import resized


def test_constant_stays_constant_whatever_the_size() -> None:
    images = np.stack([np.full((3, 7, 9), value, np.uint8) for value in (0, 100, 255)])
    for size in (1, 5, 28):
        result = resized(images, size)
        assert result.shape == (3, 3, size, size)
        assert [np.unique(image).tolist() for image in result] == [[0], [100], [255]]


def test_reduction_is_antialiased() -> None:
    """A pattern finer than the result's pixels comes out as its mean; without antialiasing it comes out as stripes."""
    stripes = np.zeros((1, 1, 64, 64), np.uint8)
    stripes[..., ::2] = 255
    inner = resized(stripes, 8)[0, 0, 1:-1, 1:-1].astype(int)
    assert np.abs(inner - 127.5).max() < 4


def test_channels_and_images_do_not_mix() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 11), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(images[1].transpose(1, 2, 0)).resize((5, 5), Image.Resampling.BICUBIC))
    assert np.array_equal(resized(images, 5)[1].transpose(1, 2, 0), expected)
