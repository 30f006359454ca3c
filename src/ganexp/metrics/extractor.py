"""Feature extractors: run in fixed padded blocks, cached on disk for real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.files.atomic import replacing
from ganexp.files.locks import alone
from ganexp.metrics.numerics import each_block, exact_convolutions
from ganexp.types.doing import doing
from ganexp.types.errors import DataError

SAID_FROM = 1000  # images whose features take long enough to say so
CPU = torch.device("cpu")

T = TypeVar("T")


@dataclass(frozen=True)
class Extractor:
    """A network that turns images into feature vectors."""

    name: str
    digest: str  # hex, of its weights and preprocessing
    network: Callable[[Tensor], Tensor]  # uint8 (block, C, H, W) on `device` -> float32 (block, dim)
    dim: int
    block: int = 250  # images in every call; the last is padded, as batch shapes change the last bits of convolutions
    device: torch.device = CPU
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON-able provenance, e.g. the classifier's accuracy

    def features(self, images: NDArray[np.uint8], done: Callable[[int], None] = lambda count: None) -> Tensor:
        """Features float32 (N, dim) of images, on the CPU; `done` is told about how many are computed."""
        features = torch.empty(len(images), self.dim)

        def work(start: int) -> None:
            part = images[start : start + self.block]
            padded = torch.zeros((self.block, *images.shape[1:]), dtype=torch.uint8)
            padded[: len(part)] = torch.from_numpy(np.array(part))
            with torch.inference_mode():
                features[start : start + len(part)] = self.network(padded.to(self.device))[: len(part)].cpu()
            done(start + len(part))

        with exact_convolutions():
            each_block(work, len(images), self.block, workers=None if self.device.type == "cpu" else 1)
        return features


def cached_features(extractor: Extractor, images: NDArray[np.uint8], folder: Path, key: str) -> Tensor:
    """Features of real images, computed once for all processes and kept in `folder` under `key` (of the images)."""
    path = folder / f"features_{extractor.name}_{extractor.digest[:12]}_{key[:12]}.npy"

    def compute() -> Tensor:
        words, quick = f"{extractor.name} features of real images, once", len(images) < SAID_FROM
        with doing(words, len(images), quick=quick) as done:
            features = extractor.features(images, done)
        if not bool(features.isfinite().all()):
            raise DataError(f"{path}: expected finite features of real images, got NaN or infinite ones")
        with replacing(path) as temporary:
            np.save(temporary, features.numpy(), allow_pickle=False)
        return features

    return made_once(path, lambda: _read(path, (len(images), extractor.dim)), compute)


def made_once(path: Path, read: Callable[[], T | None], make: Callable[[], T]) -> T:
    """What `read()` gives, or `make()` where that is None: one process makes it, the others wait.

    The lock beside `path` ends with its holder; temporary files that a killed maker left are removed.
    """
    if (value := read()) is not None:
        return value
    waiting = f"{path.name}: waiting for another process that makes it"
    names = (path.name, f"{path.name}.safetensors", f"{path.name}.json")
    with alone(path.with_name(f".{path.name}.lock"), names, waiting):
        value = read()
        return make() if value is None else value


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """The features in `path`; None where there are none, or a damaged file."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(array).clone() if array.dtype == np.float32 and array.shape == shape else None
