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
protocol: what makes two values comparable. reference: the halves of the held-out images. extractor, classifiers,
classifier_network, train_classifier, random_features, inception: networks whose features are compared. numerics: digits
that do not depend on the number of threads. The others hold the metrics that they are named after.

Everywhere, images are uint8 (N, C, H, W), labels int64 (N,), features or points (N, D). `weights` is a file with
torch-fidelity's Inception-v3 weights; None: where torch-fidelity looks for it or downloads it to.
"""

from ganexp.metrics.cfd_fid import cfd, fid, rfd
from ganexp.metrics.classifiers import classifier
from ganexp.metrics.conditional import label_accuracy, precision_by_class, recall_by_class
from ganexp.metrics.evaluator import Evaluator, choose_objective
from ganexp.metrics.inception import Inception
from ganexp.metrics.kid_inception_score import inception_score, kid
from ganexp.metrics.memorization import memorization, nearest_neighbours
from ganexp.metrics.metric import ByClass, Estimate, ImageSet, Metric, ScoringContext
from ganexp.metrics.parzen import parzen_ll
from ganexp.metrics.precision_recall import coverage, density, precision, recall
from ganexp.metrics.protocol import is_present, same_protocol

# What `_target_` may name in conf/metrics/score.
OPTIONS = (
    cfd,
    coverage,
    density,
    fid,
    inception_score,
    kid,
    label_accuracy,
    memorization,
    parzen_ll,
    precision,
    precision_by_class,
    recall,
    recall_by_class,
    rfd,
)

__all__ = [
    "OPTIONS",
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
