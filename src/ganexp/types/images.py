"""Images, real and generated, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

ImageShape = tuple[int, int, int]  # (channels, height, width)

Sampler = Callable[[int], "Tensor"]
"""n -> float32 (n, C, H, W) in [-1, 1]; deterministic and prefix-stable: sample(100) equals sample(200)[:100]."""


@runtime_checkable
class LabelledSampler(Protocol):
    """A `Sampler` of a conditional generator."""

    def __call__(self, count: int, /) -> Tensor:
        """The first `count` images."""

    def labels(self, count: int) -> Tensor | None:
        """The labels that these are generated for, int64 (count,); None: unconditional."""


@dataclass(frozen=True)
class Dataset:
    """Images ready for training, and the held-out ones that they are measured against.

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from ganexp import Dataset
    >>> images, cache = np.zeros((10, 1, 28, 28), np.uint8), Path("cache")
    >>> dataset = Dataset("black", images[:6], None, images[6:], None, "the last 4 images", "black-10", None, cache)
    >>> dataset.image_shape, len(dataset.train), len(dataset.reference)
    ((1, 28, 28), 6, 4)
    """

    name: str  # e.g. "mnist"
    train: NDArray[np.uint8]  # (N, C, H, W), memory-mapped, at the size that the networks see
    train_labels: NDArray[np.int64] | None  # (N,), or None for unlabelled data
    reference: NDArray[np.uint8]  # (M, C, H, W), held out: neither the GAN nor the classifier trains on it
    reference_labels: NDArray[np.int64] | None  # (M,), or None
    reference_origin: str  # where the reference comes from, e.g. "test split"
    fingerprint: str  # hex digest of the content, the size and the number of images
    num_classes: int | None  # number of distinct labels
    cache_dir: Path  # writable folder for what is derived from this dataset
    class_names: tuple[str, ...] | None = None  # of the labels 0, 1, ...; None: they have none

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of the images."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width


@dataclass(frozen=True)
class Scores:
    """The values of one evaluation. Values of different provenance are never ranked together."""

    values: Mapping[str, float]  # column -> value on reference half B; `<objective>_half_a`: on half A, for choosing
    floors: Mapping[str, float] = field(default_factory=dict)  # column -> the metric between real and real images
    provenance: Mapping[str, Any] = field(default_factory=dict)  # how the values were made, JSON-able
