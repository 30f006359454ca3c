"""Published figures beside ours, each flagged comparable or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganexp.report.findings import Ranking, Standing

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
    """One published figure beside ours.

    Attributes:
        dataset, what, published: the figure; `what` names loss and metric.
        ours: the best setting's value with `metric`, or None.
        metric: the name of our value.
        setting: which setting it is of.
        comparable: whether the two may be compared.
        why: why or why not.
    """

    dataset: str
    what: str
    published: str
    ours: float | None
    metric: str
    setting: str
    comparable: bool
    why: str


def anchors(rankings: Sequence[Ranking]) -> list[Anchor]:
    """Every published figure for the data sets at hand; of our settings the best one for that loss."""
    found: list[Anchor] = []
    for ranking in rankings:
        if ranking.dataset not in DATASETS:
            continue
        column = DATASETS.index(ranking.dataset)
        for loss, figures in PUBLISHED.items():
            best = next((each for each in ranking.ranked if _loss(each) == loss), None)
            found.append(_fid(ranking, loss, figures[column], best))
        if ranking.dataset == "mnist":
            found += _parzen(ranking)
    return found


def _fid(ranking: Ranking, loss: str, published: str, best: Standing | None) -> Anchor:
    what = f"{loss}: FID, best of 100 settings"
    if best is None:
        return Anchor(ranking.dataset, what, published, None, "", "", False, "this loss was not run here")
    fid = best.mean("fid")
    if fid is None:
        value = best.mean(ranking.objective or "")
        why = f"{ranking.objective} is not FID: other features; other nets, other number of settings"
        return Anchor(ranking.dataset, what, published, value, ranking.objective or "", best.name, False, why)
    count = best.lead.measured.get("num_samples")
    if count != SAMPLES:
        why = f"FID from {count} images; it falls with their number"
        return Anchor(ranking.dataset, what, published, fid, "fid", best.name, False, why)
    why = "same features and number of images; nets and number of settings differ"
    return Anchor(ranking.dataset, what, published, fid, "fid", best.name, True, why)


def _parzen(ranking: Ranking) -> list[Anchor]:
    best = ranking.best
    ours = best.mean("parzen_ll") if best else None
    name = best.name if best and ours is not None else ""
    if ours is None:
        why = "parzen_ll was not measured (metrics=full)"
    else:
        why = "the same estimator; a historical measure that blurred prototypes win, so nothing is chosen by it"
    return [
        Anchor(
            "mnist",
            f"{model}: Parzen log-likelihood, nats",
            figure,
            ours,
            "parzen_ll" if name else "",
            name,
            bool(name),
            why,
        )
        for model, figure in PARZEN
    ]


def _loss(each: Standing) -> str:
    loss = str(each.lead.values.get("loss"))
    penalty = str(each.lead.values.get("penalty") or "none")
    if (loss == "wgan" and "gp" in penalty) or (loss == "wgan" and "gradient" in penalty):
        return "wgan_gp"
    return "dragan" if "dragan" in penalty else loss
