"""Metrics of conditional generators: does an image show the label it was generated for, and how good is each class?"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ganexp.metrics.classifiers import class_logits, classifier
from ganexp.metrics.metric import ByClass, ImageSet, Metric, ScoringContext
from ganexp.metrics.precision_recall import Neighbours, share_inside, squared_radii
from ganexp.types.errors import DataError


def label_accuracy() -> Metric:
    """Share of images that the classifier gives the label they were generated for; the floor is that of real images."""

    def compute(context: ScoringContext) -> ByClass:
        labels, logits = _labels(context.generated), context.features(context.generated)
        right = (logits.argmax(dim=1) == labels).float()
        return ByClass(float(right.mean()), {label: float(right[labels == label].mean()) for label in _classes(labels)})

    identity = "ganexp.metrics.labels.label_accuracy"
    return Metric(compute, "maximise", extractor=class_logits, labelled=True, id=identity)


def precision_by_class(*, k: Neighbours = 3) -> Metric:
    """Precision (Kynkäänniemi et al. 2019, equation 2) among the images of each label, and its mean over labels."""
    return _by_class("precision", k, lambda real, fake: share_inside(fake, real, squared_radii(real, k)))


def recall_by_class(*, k: Neighbours = 3) -> Metric:
    """Recall (Kynkäänniemi et al. 2019, equation 2) among the images of each label, and its mean over labels."""
    return _by_class("recall", k, lambda real, fake: share_inside(real, fake, squared_radii(fake, k)))


def _by_class(name: str, k: int, measure: Callable[[Tensor, Tensor], float]) -> Metric:
    """`measure` of real and generated features of each label that has more than k images of both."""

    def compute(context: ScoringContext) -> ByClass:
        real, fake = context.features(context.reference), context.features(context.generated)
        real_labels, fake_labels = _labels(context.reference), _labels(context.generated)
        values = {}
        for label in _classes(real_labels):
            real_part, fake_part = real[real_labels == label], fake[fake_labels == label]
            if min(len(real_part), len(fake_part)) > k:
                values[label] = measure(real_part, fake_part)
        if not values:
            raise DataError(
                f"metrics.num_samples: expected more than {k} images of some label (metrics by class, k={k}), got "
                f"fewer of each among {len(real)}"
            )
        return ByClass(sum(values.values()) / len(values), values)

    identity = f"ganexp.metrics.labels.{name}_by_class"
    return Metric(compute, "maximise", extractor=classifier, settings={"k": k}, labelled=True, id=identity)


def _classes(labels: Tensor) -> list[int]:
    return sorted(set(labels.tolist()))


def _labels(images: ImageSet) -> Tensor:
    if images.labels is None:
        raise DataError("metrics by class: expected a dataset with labels and a conditional model, got no labels")
    return images.labels
