"""ganexp: experiment sweeps of GANs. What users write is imported from here, each name when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganexp.dataset.load import Reference
    from ganexp.dataset.prepared import Source, Split
    from ganexp.logger import Logger
    from ganexp.metrics import ByClass, Estimate, Metric, ScoringContext
    from ganexp.opened import Run, Sweep, open_run, open_sweep
    from ganexp.report.summary import load_metrics, load_summary
    from ganexp.score import score_images
    from ganexp.session import multirun, train
    from ganexp.trainer.trained import load_generator
    from ganexp.types import GAN, AdversarialLoss, Dataset, Optimizer, Penalty, Scores
    from ganexp.types.errors import ConfigError, DataError, DirectoryError, Refused
    from ganexp.types.schedule import Moment, Schedule

__all__ = [
    "GAN",
    "AdversarialLoss",
    "ByClass",
    "ConfigError",
    "DataError",
    "Dataset",
    "DirectoryError",
    "Estimate",
    "Logger",
    "Metric",
    "Moment",
    "Optimizer",
    "Penalty",
    "Reference",
    "Refused",
    "Run",
    "Schedule",
    "Scores",
    "ScoringContext",
    "Source",
    "Split",
    "Sweep",
    "load_generator",
    "load_metrics",
    "load_summary",
    "multirun",
    "open_run",
    "open_sweep",
    "score_images",
    "train",
]

_MODULES = {
    "ganexp.dataset.load": ("Reference",),
    "ganexp.dataset.prepared": ("Source", "Split"),
    "ganexp.logger": ("Logger",),
    "ganexp.metrics": ("ByClass", "Estimate", "Metric", "ScoringContext"),
    "ganexp.opened": ("Run", "Sweep", "open_run", "open_sweep"),
    "ganexp.report.summary": ("load_metrics", "load_summary"),
    "ganexp.score": ("score_images",),
    "ganexp.session": ("multirun", "train"),
    "ganexp.trainer.trained": ("load_generator",),
    "ganexp.types": ("GAN", "AdversarialLoss", "Dataset", "Optimizer", "Penalty", "Scores"),
    "ganexp.types.errors": ("ConfigError", "DataError", "DirectoryError", "Refused"),
    "ganexp.types.schedule": ("Moment", "Schedule"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganexp' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
