"""Published figures beside ours, each flagged comparable or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganexp.report.ranking import Ranking, Standing

DATASETS = ("mnist", "fashion_mnist", "cifar10")

PUBLISHED = {
    "minimax": ("9.8 ± 0.9", "29.6 ± 1.6", "72.7 ± 3.6"),
    "non_saturating": ("6.8 ± 0.5", "26.5 ± 1.6", "58.5 ± 1.9"),
    "lsgan": ("7.8 ± 0.6", "30.7 ± 2.2", "87.1 ± 47.5"),
    "wgan": ("6.7 ± 0.4", "21.5 ± 1.6", "55.2 ± 2.3"),
    "wgan_gp": ("20.3 ± 5.0", "24.5 ± 2.1", "55.8 ± 0.9"),
    "dragan": ("7.6 ± 0.4", "27.7 ± 1.2", "69.8 ± 2.0"),
}
"""FID by loss and data set (Lucic et al. 2018, "Are GANs created equal?", table 2): Inception features, 10,000 samples
against the 10,000 test images, InfoGAN-size convnets, best of 100 settings."""

PARZEN = (("adversarial nets", "225 ± 2"), ("Deep GSN", "214 ± 1.1"), ("DBN", "138 ± 2"), ("stacked CAE", "121 ± 1.6"))
"""Parzen-window log-likelihood on MNIST in nats (Goodfellow et al. 2014, table 1)."""

SAMPLES = 10_000


@dataclass(frozen=True)
class Anchor:
    """One published figure beside ours."""

    dataset: str  # dataset, what, published: the figure; `what` names loss and metric
    what: str
    published: str
    ours: float | None  # the best setting's value with `metric`, or None
    metric: str  # the name of our value
    setting: str  # which setting it is of
    comparable: bool  # whether the two may be compared
    why: str  # why or why not


def anchors(rankings: Sequence[Ranking]) -> list[Anchor]:
    """Every published figure for the data sets at hand; of our settings the best one for that loss."""
    figures: list[Anchor] = []
    for ranking in rankings:
        if ranking.dataset not in DATASETS:
            continue
        column = DATASETS.index(ranking.dataset)
        for loss, published in PUBLISHED.items():
            best = next((standing for standing in ranking.ranked if _loss(standing) == loss), None)
            figures.append(_fid(ranking, f"{loss}: FID, best of 100 settings", published[column], best))
        if ranking.dataset == "mnist":
            figures += [_parzen(ranking, f"{model}: Parzen log-likelihood, nats", value) for model, value in PARZEN]
    return figures


def _fid(ranking: Ranking, what: str, published: str, best: Standing | None) -> Anchor:
    if best is None:
        return Anchor(ranking.dataset, what, published, None, "", "", False, "this loss was not run here")
    metric, count, comparable = "fid", best.lead.measured.get("num_samples"), False
    if best.mean("fid") is None:
        metric = ranking.objective or ""
        why = f"{ranking.objective} is not FID: other features; other nets, other number of settings"
    elif count != SAMPLES:
        why = f"FID from {count} images; it falls with their number"
    else:
        why, comparable = "same features and number of images; nets and number of settings differ", True
    return Anchor(ranking.dataset, what, published, best.mean(metric), metric, best.name, comparable, why)


def _parzen(ranking: Ranking, what: str, published: str) -> Anchor:
    best = ranking.best
    value = best.mean("parzen_ll") if best else None
    if best is None or value is None:
        return Anchor("mnist", what, published, None, "", "", False, "parzen_ll was not measured (metrics=full)")
    why = "the same estimator; a historical measure that blurred prototypes win, so nothing is chosen by it"
    return Anchor("mnist", what, published, value, "parzen_ll", best.name, True, why)


def _loss(standing: Standing) -> str:
    loss = str(standing.lead.values.get("loss"))
    penalty = str(standing.lead.values.get("penalty") or "none")
    if loss == "wgan" and ("gp" in penalty or "gradient" in penalty):
        return "wgan_gp"
    return "dragan" if "dragan" in penalty else loss
