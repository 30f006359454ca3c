"""Do generated images lie nearer to training images than other real images do?"""

from __future__ import annotations

from torch import Tensor

from ganexp.metrics.classifiers import classifier
from ganexp.metrics.manifold import nearest
from ganexp.metrics.metric import ImageSet, Metric, ScoringContext


def memorization() -> Metric:
    """How much nearer generated images are to the training data than real images are; 0: no nearer, up to 1.

    The share of generated images that are nearer to training images than to unseen real ones, less the same share for
    unseen real images (those of the half that is reported on).

    Each image looks for its nearest neighbour, in the classifier's features, among a fixed random subset of the
    training images and as many images of the half of the reference that is not being reported on.
    """

    def compute(context: ScoringContext) -> float:
        return share(context, context.generated, context.other) - _real_share(context)

    def floor(context: ScoringContext) -> float:
        # The other half in the generator's place: its neighbours are sought among the reported half.
        return share(context, context.other, context.reference) - _real_share(context)

    return Metric(compute, "minimise", extractor=classifier, floor=floor)


def share(context: ScoringContext, images: ImageSet, unseen: ImageSet) -> float:
    """Share of `images` whose nearest neighbour among training subset and `unseen` is a training image."""
    return nearer_share(*(context.features(each) for each in (images, context.training, unseen)))


def nearer_share(points: Tensor, training: Tensor, unseen: Tensor) -> float:
    """Share of points (M, D) that are nearer to training (N, D) than to unseen (N, D); a tie counts half."""
    count = min(len(training), len(unseen))
    to_training = nearest(points, training[:count])[0]
    to_unseen = nearest(points, unseen[:count])[0]
    nearer = (to_training < to_unseen).double() + 0.5 * (to_training == to_unseen).double()
    return float(nearer.sum()) / len(points)


def _real_share(context: ScoringContext) -> float:
    return context.reference.once("nearer to training", lambda: share(context, context.reference, context.other))
