"""ganexp: experiment sweeps of GANs. Everything here is imported when it is first used, torch included."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganexp.report.summary import load_metrics, load_summary
    from ganexp.types import GAN, AdversarialLoss, Dataset, Scores

__all__ = ["GAN", "AdversarialLoss", "Dataset", "Scores", "load_metrics", "load_summary"]

_HOMES = {
    "GAN": "ganexp.types",
    "AdversarialLoss": "ganexp.types",
    "Dataset": "ganexp.types",
    "Scores": "ganexp.types",
    "load_metrics": "ganexp.report.summary",
    "load_summary": "ganexp.report.summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganexp' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
