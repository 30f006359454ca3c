"""Facts of the page besides rankings: requests, machines and cost; warnings about single runs; published figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganexp.metrics.words import FLAGGED
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.runs import RunRecord, longest_runs
from ganexp.report.settings import level_order, text_of
from ganexp.report.study import Study
from ganexp.report.text.phrases import say
from ganexp.types.endings import State
from ganexp.types.terminal import plural

OVERPOWERING = 0.05  # mean D on generated images under this, with held-out real images above 0.5
REMEMBERED = 0.3  # mean D on training images this far above held-out ones
MEMORIZATION = 0.1  # copies of training images; unseen real images reach at most .02 (analysis/metrics/copies.py)

DATASETS = ("mnist", "fashion_mnist", "cifar10")

# FID by loss and data set (Lucic et al. 2018, "Are GANs created equal?", table 2): Inception features, 10,000 samples
# against the 10,000 test images, InfoGAN-size convnets, best of 100 settings.
PUBLISHED = {
    "minimax": ("9.8 ± 0.9", "29.6 ± 1.6", "72.7 ± 3.6"),
    "non_saturating": ("6.8 ± 0.5", "26.5 ± 1.6", "58.5 ± 1.9"),
    "lsgan": ("7.8 ± 0.6", "30.7 ± 2.2", "87.1 ± 47.5"),
    "wgan": ("6.7 ± 0.4", "21.5 ± 1.6", "55.2 ± 2.3"),
    "wgan_gp": ("20.3 ± 5.0", "24.5 ± 2.1", "55.8 ± 0.9"),
    "dragan": ("7.6 ± 0.4", "27.7 ± 1.2", "69.8 ± 2.0"),
}

# Parzen-window log-likelihood on MNIST in nats (Goodfellow et al. 2014, table 1).
PARZEN = (("adversarial nets", "225 ± 2"), ("Deep GSN", "214 ± 1.1"), ("DBN", "138 ± 2"), ("stacked CAE", "121 ± 1.6"))

SAMPLES = 10_000


@dataclass(frozen=True)
class Flag:
    """One warning about a run."""

    kind: str  # e.g. "collapse", "memorization", "failed"
    run: RunRecord
    number: float | None  # what raised it, or None for a run that ended badly
    words: str  # the whole sentence after the number's name


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


def overview(study: Study) -> dict[str, Any]:
    """Requests, machines and cost, from the runs' own records."""
    longest = longest_runs(study.runs)
    trained = sum(run.seconds for run in longest)
    requests = [(sweep.directory.resolve().name, request) for sweep in study.sweeps for request in sweep.requests]
    times = Counter(run_id for _, request in requests for run_id in request.run_ids)
    states = Counter(run.state for run in study.runs)
    records = [run.provenance for run in study.runs if run.result]
    return {
        "requests": requests,
        "space": {
            "dataset": level_order(run.dataset for run in study.runs),
            **{key: level_order(text_of(run.values.get(key)) for run in study.runs) for key in study.keys},
            "seed": level_order(str(run.seed) for run in study.runs),
        },
        "states": {state.value: states[state] for state in State if states[state]},
        "trained": trained,  # seconds, each trajectory once to its longest run
        "saved_sharing": sum(run.seconds for run in study.runs) - trained,
        "saved_cached": sum((times[run.run_id] - 1) * run.seconds for run in study.runs if times[run.run_id] > 1),
        "trajectories": sum(run.seconds > 0 for run in longest),
        "versions": _versions(records),
        "machines": _distinct(map(_machine, records)),
        "revisions": _distinct(str(record.get("git_revision") or "") for record in records),
        "datasets": _distinct(_dataset(run) for run in study.runs if run.result),
    }


def _versions(records: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[str]]:
    versions: dict[str, dict[str, None]] = {}
    for record in records:
        for package, version in (record.get("versions") or {}).items():
            versions.setdefault(package, {})[str(version)] = None
    return {package: list(each) for package, each in versions.items()}


def _machine(record: Mapping[str, Any]) -> str:
    words = [str(record[key]) for key in ("machine", "cpu", "device") if record.get(key)]
    threads = record.get("threads")
    return ", ".join(
        [*words, *([f"{threads} {say(plural(threads, 'thread a run', 'threads a run'))}"] if threads else [])]
    )


def _dataset(run: RunRecord) -> str:
    record = run.provenance.get("dataset") or {}
    reference = run.measured.get("reference") or {}
    origin = record.get("reference_origin") or reference.get("origin") or "unknown"
    return f"{run.dataset}: reference images from the {origin}; scored by protocol {run.version}"


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def flags(run: RunRecord) -> list[Flag]:
    """Every warning about a run, with the number that raised it."""
    if run.state in (State.DIVERGED, State.FAILED):
        return [Flag(str(run.state).lower(), run, None, f"after {run.done} of {run.epochs} epochs: {run.error}")]
    raised = [Flag("own code", run, None, run.note)] if run.note and run.state is not State.PENDING else []
    recall, floor = run.value("recall"), run.floors.get("recall")
    if recall is not None and floor and recall < FLAGGED * floor:
        raised.append(Flag("collapse", run, recall, f"recall {recall:.3g}, real against real {floor:.3g}"))
    generated, heldout, real = (run.value(name) for name in ("d_generated", "d_heldout", "d_real"))
    if generated is not None and heldout is not None and generated < OVERPOWERING and heldout > 0.5:
        words = f"mean D {generated:.3g} on generated images, {heldout:.3g} on held-out ones"
        raised.append(Flag("overpowering discriminator", run, generated, words))
    if real is not None and heldout is not None and real - heldout > REMEMBERED:
        words = f"mean D {real:.3g} on training images, {heldout:.3g} on held-out ones"
        raised.append(Flag("discriminator overfits", run, real - heldout, words))
    copied = run.value("memorization")
    if copied is not None and copied > MEMORIZATION:
        raised.append(Flag("memorization", run, copied, f"memorization {copied:.3g}, real images 0"))
    return raised


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
