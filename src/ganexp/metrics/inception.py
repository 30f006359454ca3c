"""Inception-v3 features through torch-fidelity, and the kernel distance and Inception score through torchmetrics."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from ganexp.files.drawing import import_matplotlib
from ganexp.metrics.extractor import Extractor, locked
from ganexp.metrics.metric import Metric, ScoringContext
from ganexp.metrics.numerics import one_thread, seeded
from ganexp.types import Dataset
from ganexp.types.errors import DataError

POOL_DIM, LOGITS_DIM = 2048, 1008
LAYERS = ["2048", "logits_unbiased"]
BLOCK = 25
SUBSET_SEED = 20140610


def pool_features(features: Tensor) -> Tensor:
    """Features (N, 3056) -> the last pooling layer's (N, 2048)."""
    return features[:, :POOL_DIM]


def logits(features: Tensor) -> Tensor:
    """Features (N, 3056) -> the class logits without bias (N, 1008)."""
    return features[:, POOL_DIM:]


@dataclass(frozen=True)
class Inception:
    """Loads torch-fidelity's Inception-v3 (a port of TensorFlow's FID network, with its own resizing to 299 x 299).

    Attributes:
        weights: file with the weights; None: where torch-fidelity looks for or puts it.
    """

    weights: Path | None = None

    def __call__(self, dataset: Dataset, device: torch.device) -> Extractor:
        """The extractor of 2048 pooled features followed by 1008 logits; grey images are tiled to 3 channels.

        Raises:
            DataError: torch-fidelity or its weights are missing, or the file holds something else.
        """
        path = weights_file(self.weights)
        network = _network(path, device)

        def features(images: Tensor) -> Tensor:
            return torch.cat(network(images.expand(-1, 3, -1, -1).contiguous()), dim=1)

        digest = hashlib.sha256(path.read_bytes() + b"/torch-fidelity/" + ",".join(LAYERS).encode()).hexdigest()
        details = {"network": "torch-fidelity inception-v3-compat", "weights": path.name}
        return Extractor("inception", digest, features, POOL_DIM + LOGITS_DIM, BLOCK, device, details)


def kid(
    *,
    subsets: Annotated[int, Gt(0), Le(10_000)] = 100,
    subset_size: Annotated[int, Ge(2), Le(100_000)] = 1000,
    weights: Path | None = None,
) -> Metric:
    """Kernel Inception distance (Binkowski et al. 2018): unbiased MMD^2 with a cubic kernel, mean over subsets.

    Args:
        subsets: number of random subsets.
        subset_size: images in a subset; fewer images than that make one subset of all of them.
        weights: file with torch-fidelity's Inception-v3 weights; None: where torch-fidelity looks for or puts it.
    """

    def compute(context: ScoringContext) -> float:
        import_matplotlib()  # which torchmetrics imports
        from torchmetrics.image.kid import KernelInceptionDistance

        size = min(subset_size, len(context.reference))
        with _quiet():
            metric = KernelInceptionDistance(nn.Identity(), subsets=subsets, subset_size=size)
        metric.update(pool_features(context.features(context.reference)).double(), real=True)
        metric.update(pool_features(context.features(context.generated)).double(), real=False)
        with seeded(SUBSET_SEED), one_thread(), _quiet():
            return float(metric.compute()[0])

    settings = {"subsets": subsets, "subset_size": subset_size}
    return Metric(compute, "minimise", extractor=Inception(weights), settings=settings)


def inception_score(*, splits: Annotated[int, Gt(0), Le(10_000)] = 10, weights: Path | None = None) -> Metric:
    """Inception score (Salimans et al. 2016, section 4): exp(mean KL(p(y|x) || p(y))), mean over splits.

    Args:
        splits: parts that the images are split into.
        weights: file with torch-fidelity's Inception-v3 weights; None: where torch-fidelity looks for or puts it.
    """

    def compute(context: ScoringContext) -> float:
        import_matplotlib()  # which torchmetrics imports
        from torchmetrics.image.inception import InceptionScore

        with _quiet():
            metric = InceptionScore(nn.Identity(), splits=splits)
        metric.update(logits(context.features(context.generated)).double())
        with seeded(SUBSET_SEED), one_thread(), _quiet():
            return float(metric.compute()[0])

    return Metric(compute, "maximise", extractor=Inception(weights), settings={"splits": splits})


def weights_file(weights: Path | None) -> Path:
    """The file with the weights: the one given, or torch-fidelity's, downloaded if it is not there.

    Raises:
        DataError: it is not there and cannot be had; says which file goes where.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3 as URL
    except ImportError as error:
        raise DataError(
            f"fid, kid and inception_score: expected the package torch-fidelity, got {error}; "
            "pip install 'ganexp[inception]', or choose metrics=default"
        ) from None
    if weights is not None:
        if not weights.is_file():
            raise DataError(f"Inception weights: expected the file {weights}, got none there; it is {URL}")
        return weights
    path: Path = Path(torch.hub.get_dir()) / "checkpoints" / URL.rpartition("/")[2]
    if not path.exists():
        _download(URL, path)
    return path


def _download(url: str, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if not path.exists():
                torch.hub.download_url_to_file(url, str(path), progress=False)
    except OSError as error:
        raise DataError(
            f"Inception weights: expected the file {path}, got none there, and downloading it failed ({error}). "
            f"Put {url} there, or name its place by metrics.scores.<metric>.weights=FILE; metrics=default needs none"
        ) from None


def _network(path: Path, device: torch.device) -> nn.Module:
    """The network with the weights in `path`, which is first read in torch's safe mode: torch-fidelity's is not."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        with _quiet():
            torch.load(path, map_location="cpu", weights_only=True)
        with seeded(0):  # it draws weights before it loads them
            network: nn.Module = FeatureExtractorInceptionV3("inception-v3-compat", LAYERS, str(path))
    except (RuntimeError, ValueError, TypeError, AttributeError, EOFError, OSError, pickle.UnpicklingError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise DataError(f"{path}: expected torch-fidelity's Inception-v3 weights, got {first_line}") from None
    return network.to(device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what is intended or refused anyway: features kept in memory, one split, an unusual pickle protocol."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features in buffer.*")
        warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom is <= 0.*")
        warnings.filterwarnings("ignore", message="Detected pickle protocol.*")
        yield
