"""Feature extractors: run in fixed padded blocks, cached on disk for real images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.files.atomic import replacing
from ganexp.files.locks import alone
from ganexp.metrics.numerics import each_block, exact_convolutions
from ganexp.types.errors import DataError

log = logging.getLogger("ganexp")

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Extractor:
    """A network that turns images into feature vectors.

    Attributes:
        name: "classifier", "inception" ...
        digest: hex digest of its weights and preprocessing.
        network: uint8 (block, C, H, W) on `device` -> float32 (block, dim).
        dim: length of a feature vector.
        block: images per call, always: the last block is padded, because convolutions differ in their last bits
            between batch shapes.
        device: where it runs.
        details: JSON-able provenance, e.g. the classifier's accuracy.
    """

    name: str
    digest: str
    network: Callable[[Tensor], Tensor]
    dim: int
    block: int = 250
    device: torch.device = CPU
    details: Mapping[str, Any] = field(default_factory=dict)

    def features(self, images: NDArray[np.uint8]) -> Tensor:
        """Images uint8 (N, C, H, W) -> features float32 (N, dim), on the CPU."""
        found = torch.empty(len(images), self.dim)

        def work(start: int) -> None:
            part = images[start : start + self.block]
            padded = torch.zeros((self.block, *images.shape[1:]), dtype=torch.uint8)
            padded[: len(part)] = torch.from_numpy(np.array(part))
            with torch.inference_mode():
                found[start : start + len(part)] = self.network(padded.to(self.device))[: len(part)].cpu()

        with exact_convolutions():
            each_block(work, len(images), self.block, workers=None if self.device.type == "cpu" else 1)
        return found


def cached_features(extractor: Extractor, images: NDArray[np.uint8], folder: Path, key: str) -> Tensor:
    """Features of real images, computed once for all processes that share `folder`.

    Args:
        extractor: what computes them.
        images: uint8 (N, C, H, W).
        folder: where they are kept; a folder that can be written.
        key: what `images` are: a digest of their content or of their origin.

    Returns:
        float32 (N, extractor.dim), on the CPU.

    Raises:
        DataError: they are not finite.
    """
    path = folder / f"features_{extractor.name}_{extractor.digest[:12]}_{key[:12]}.npy"
    shape = (len(images), extractor.dim)
    found = _read(path, shape)
    if found is None:
        with locked(path):
            found = _read(path, shape)
            if found is None:
                log.info("%s features of %d real images: computing them once", extractor.name, len(images))
                found = extractor.features(images)
                if not bool(found.isfinite().all()):
                    raise DataError(f"{path}: expected finite features of real images, got NaN or infinite ones")
                with replacing(path) as temporary:
                    np.save(temporary, found.numpy(), allow_pickle=False)
    return found


def locked(path: Path) -> AbstractContextManager[None]:
    """The lock on `path`, which one process makes while the others wait; see `ganexp.files.locks`."""
    names = (path.name, f"{path.name}.safetensors", f"{path.name}.json")
    waiting = f"{path.name}: waiting for another process that makes it"
    return alone(path.with_name(f".{path.name}.lock"), names, waiting)


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """The features in `path`; None if there are none, or a damaged file (which is then made again)."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if array.dtype != np.float32 or array.shape != shape:
        return None
    return torch.from_numpy(array).clone()
