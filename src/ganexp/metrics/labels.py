"""Metrics of conditional generators: does an image show what was asked for, and how good is each class on its own?"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ganexp.metrics.classifiers import class_logits, classifier
from ganexp.metrics.manifold import Neighbours, share_inside, squared_radii
from ganexp.metrics.metric import ByClass, ImageSet, Metric, ScoringContext
from ganexp.types.errors import DataError


def label_accuracy() -> Metric:
    """Share of images that the classifier gives the label they were asked for; the floor is that of real images."""

    def compute(context: ScoringContext) -> ByClass:
        labels, logits = _labels(context.generated), context.features(context.generated)
        right = logits.argmax(dim=1) == labels
        each = {label: float(right[labels == label].float().mean()) for label in _distinct(labels)}
        return ByClass(float(right.float().mean()), each)

    return Metric(compute, "maximise", extractor=class_logits, labelled=True)


def precision_by_class(*, k: Neighbours = 3) -> Metric:
    """Precision (Kynkäänniemi et al. 2019, equation 2) among the images of each label, and its mean over labels."""
    return _by_class(k, lambda real, fake: share_inside(fake, real, squared_radii(real, k)))


def recall_by_class(*, k: Neighbours = 3) -> Metric:
    """Recall (Kynkäänniemi et al. 2019, equation 2) among the images of each label, and its mean over labels."""
    return _by_class(k, lambda real, fake: share_inside(real, fake, squared_radii(fake, k)))


def _by_class(k: int, measure: Callable[[Tensor, Tensor], float]) -> Metric:
    """`measure` of real and generated features of each label that has more than k images of both."""

    def compute(context: ScoringContext) -> ByClass:
        real, fake = context.features(context.reference), context.features(context.generated)
        of_real, of_fake = _labels(context.reference), _labels(context.generated)
        found = {}
        for label in _distinct(of_real):
            ours, theirs = real[of_real == label], fake[of_fake == label]
            if min(len(ours), len(theirs)) > k:
                found[label] = measure(ours, theirs)
        if not found:
            raise DataError(
                f"metrics.num_samples: expected more than {k} images of some label (metrics by class, k={k}), got "
                f"fewer of each among {len(real)}"
            )
        return ByClass(sum(found.values()) / len(found), found)

    return Metric(compute, "maximise", extractor=classifier, settings={"k": k}, labelled=True)


def _distinct(labels: Tensor) -> list[int]:
    return sorted(set(labels.tolist()))


def _labels(images: ImageSet) -> Tensor:
    if images.labels is None:
        raise DataError("metrics by class: expected a dataset with labels and a conditional model, got no labels")
    return images.labels
