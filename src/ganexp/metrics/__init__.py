"""Numbers for image quality.

A metric is one function and one YAML file. The function takes configuration parameters alone, keyword-only and
annotated with their ranges, and returns a `Metric`; nothing is loaded or computed in it:

    def mean_brightness(*, power: Annotated[float, Gt(0)] = 1.0) -> Metric:
        def compute(context: ScoringContext) -> float:
            return abs(float(context.generated.images.mean() - context.reference.images.mean())) ** power
        return Metric(compute, "minimise", settings={"power": power})

    # conf/metrics/score/mean_brightness.yaml; the last word of the package is the column's name
    # @package metrics.scores.mean_brightness
    _target_: mylab.metrics.mean_brightness
    power: 1.0

One in the classifier's features declares `extractor=classifier` and asks for `context.features(context.generated)`.

metric: what a metric is, and what it sees. evaluator: prepares metrics before training, and scores samplers.
protocol: what makes two values comparable. words: what a value means. reference: the halves of the held-out images.
extractor, classifiers, classifier_network, train_classifier, random_features, inception: networks whose features are
compared. numerics: digits that do not depend on the number of threads. training_images: the search for copies. The
others hold the metrics that they are named after.

Everywhere, images are uint8 (N, C, H, W), labels int64 (N,), features or points (N, D). `weights` is a file with
torch-fidelity's Inception-v3 weights; None: where torch-fidelity looks for it or downloads it to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganexp.metrics.cfd_fid import cfd, fid, rfd
    from ganexp.metrics.classifiers import classifier
    from ganexp.metrics.conditional import label_accuracy, precision_by_class, recall_by_class
    from ganexp.metrics.evaluator import Evaluator, choose_objective
    from ganexp.metrics.inception import Inception
    from ganexp.metrics.kid_inception_score import inception_score, kid
    from ganexp.metrics.metric import ByClass, Estimate, ImageSet, Metric, ScoringContext
    from ganexp.metrics.parzen import parzen_ll
    from ganexp.metrics.precision_recall import coverage, density, precision, recall
    from ganexp.metrics.protocol import is_present, same_protocol
    from ganexp.metrics.training_images import memorization, nearest_neighbours

_MODULES = {  # imported when a name is first used: what only reads words needs no torch
    "cfd_fid": ("cfd", "fid", "rfd"),
    "classifiers": ("classifier",),
    "conditional": ("label_accuracy", "precision_by_class", "recall_by_class"),
    "evaluator": ("Evaluator", "choose_objective"),
    "inception": ("Inception",),
    "kid_inception_score": ("inception_score", "kid"),
    "metric": ("ByClass", "Estimate", "ImageSet", "Metric", "ScoringContext"),
    "parzen": ("parzen_ll",),
    "precision_recall": ("coverage", "density", "precision", "recall"),
    "protocol": ("is_present", "same_protocol"),
    "training_images": ("memorization", "nearest_neighbours"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_NAMES: tuple[str, ...] = ("cfd", "coverage", "density", "fid", "inception_score", "kid", "label_accuracy")
_NAMES += ("memorization", "parzen_ll", "precision", "precision_by_class", "recall", "recall_by_class", "rfd")


def __getattr__(name: str) -> Any:
    if name == "OPTIONS":  # what `_target_` may name in conf/metrics/score
        return tuple(__getattr__(option) for option in _NAMES)
    if name not in _HOMES:
        raise AttributeError(f"module 'ganexp.metrics' has no attribute {name!r}")
    return getattr(import_module(f"ganexp.metrics.{_HOMES[name]}"), name)


__all__ = [
    "ByClass",
    "Estimate",
    "Evaluator",
    "ImageSet",
    "Inception",
    "Metric",
    "ScoringContext",
    "cfd",
    "choose_objective",
    "classifier",
    "coverage",
    "density",
    "fid",
    "inception_score",
    "is_present",
    "kid",
    "label_accuracy",
    "memorization",
    "nearest_neighbours",
    "parzen_ll",
    "precision",
    "precision_by_class",
    "recall",
    "recall_by_class",
    "rfd",
    "same_protocol",
]
