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

`ScoringContext` says what a metric gets to see; one in the classifier's features declares `extractor=classifier` and
asks for `context.features(context.generated)` and `context.features(context.reference)`.

`Evaluator` takes column -> Metric, prepares all that may be refused, trained or downloaded before training, and scores
a sampler. See `ganexp.metrics.protocol` for what makes two values comparable.
"""

from ganexp.metrics.classifiers import classifier
from ganexp.metrics.copies import memorization
from ganexp.metrics.evaluator import Evaluator, check_objective
from ganexp.metrics.frechet import cfd, fid
from ganexp.metrics.inception import Inception, inception_score, kid
from ganexp.metrics.labels import label_accuracy, precision_by_class, recall_by_class
from ganexp.metrics.manifold import coverage, density, precision, recall
from ganexp.metrics.metric import ByClass, Estimate, ImageSet, Metric, ScoringContext
from ganexp.metrics.neighbours import nearest_neighbours
from ganexp.metrics.parzen import parzen_ll
from ganexp.metrics.protocol import same_protocol

__all__ = [
    "ByClass",
    "Estimate",
    "Evaluator",
    "ImageSet",
    "Inception",
    "Metric",
    "ScoringContext",
    "cfd",
    "check_objective",
    "classifier",
    "coverage",
    "density",
    "fid",
    "inception_score",
    "kid",
    "label_accuracy",
    "memorization",
    "nearest_neighbours",
    "parzen_ll",
    "precision",
    "precision_by_class",
    "recall",
    "recall_by_class",
    "same_protocol",
]
