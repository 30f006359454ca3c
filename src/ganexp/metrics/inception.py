"""Inception-v3 features, through torch-fidelity."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from ganexp.metrics.extractor import Extractor, made_once
from ganexp.metrics.numerics import seeded
from ganexp.types import Dataset
from ganexp.types.errors import DataError

POOL_DIM, LOGITS_DIM = 2048, 1008
LAYERS = ["2048", "logits_unbiased"]
BLOCK = 25


@dataclass(frozen=True)
class Inception:
    """Loads torch-fidelity's Inception-v3 (a port of TensorFlow's FID network, with its own resizing to 299 x 299).

    A call raises DataError where torch-fidelity or its weights are missing, or the file holds something else.
    """

    weights: Path | None = None

    def __call__(self, dataset: Dataset, device: torch.device) -> Extractor:
        """The extractor of 2048 pooled features followed by 1008 logits; grey images are tiled to 3 channels."""
        path = weights_file(self.weights)
        network = _network(path, device)

        def features(images: Tensor) -> Tensor:
            return torch.cat(network(images.expand(-1, 3, -1, -1).contiguous()), dim=1)

        digest = hashlib.sha256(path.read_bytes() + b"/torch-fidelity/" + ",".join(LAYERS).encode()).hexdigest()
        details = {"network": "torch-fidelity inception-v3-compat", "weights": path.name}
        return Extractor("inception", digest, features, POOL_DIM + LOGITS_DIM, BLOCK, device, details)


def weights_file(weights: Path | None) -> Path:
    """`weights`, or torch-fidelity's own file, downloaded if it is missing."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3 as URL

        if find_spec("torchmetrics") is None:  # which is first imported when values are computed
            raise ImportError("no torchmetrics")
    except ImportError as error:
        raise DataError(
            f"fid, kid and inception_score: expected the packages torch-fidelity and torchmetrics, got {error}; "
            "pip install 'ganexp[inception]', or choose metrics=default"
        ) from None
    if weights is not None:
        if not weights.is_file():
            raise DataError(f"Inception weights: expected the file {weights}, got none there; it is {URL}")
        return weights
    path: Path = Path(torch.hub.get_dir()) / "checkpoints" / URL.rpartition("/")[2]
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return made_once(path, lambda: path if path.exists() else None, lambda: _downloaded(URL, path))
    except OSError as error:
        raise DataError(
            f"Inception weights: expected the file {path}, got none there, and downloading it failed ({error}). "
            f"Put {URL} there, or name its place by metrics.scores.<metric>.weights=FILE; metrics=default needs none"
        ) from None


def _downloaded(url: str, path: Path) -> Path:
    torch.hub.download_url_to_file(url, str(path), progress=False)
    return path


def _network(path: Path, device: torch.device) -> nn.Module:
    """The network with the weights in `path`, read first in torch's safe mode, which torch-fidelity does not use."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        with quiet():
            torch.load(path, map_location="cpu", weights_only=True)
        with seeded(0):  # it draws weights before it loads them
            network: nn.Module = FeatureExtractorInceptionV3("inception-v3-compat", LAYERS, str(path))
    except (RuntimeError, ValueError, TypeError, AttributeError, EOFError, OSError, pickle.UnpicklingError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise DataError(f"{path}: expected torch-fidelity's Inception-v3 weights, got {first_line}") from None
    return network.to(device)


def pool_features(features: Tensor) -> Tensor:
    """Features (N, 3056) -> the last pooling layer's (N, 2048)."""
    return features[:, :POOL_DIM]


def logits(features: Tensor) -> Tensor:
    """Features (N, 3056) -> the class logits without bias (N, 1008)."""
    return features[:, POOL_DIM:]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings of intended or refused things: features in memory, one split, an unusual pickle protocol."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features in buffer.*")
        warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom is <= 0.*")
        warnings.filterwarnings("ignore", message="Detected pickle protocol.*")
        yield
