"""The classifier of own pictures: trained when the first score is due, kept when interrupted, heeded where weak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from squares import MakeDataset, sampler_of

from ganexp.metrics import Evaluator, Metric, cfd, memorization, rfd
from ganexp.metrics.classifier_network import Recipe, train
from ganexp.metrics.classifiers import is_trained_first, is_weak
from ganexp.types import Dataset
from ganexp.types.doing import telling
from ganexp.types.errors import DataError, Interrupted


def scorer(dataset: Dataset, **metrics: Metric) -> Evaluator:
    return Evaluator(dataset, {"cfd": cfd(), "rfd": rfd(), **metrics}, num_samples=20, objective=None)


def with_noisy_labels(dataset: Dataset) -> Dataset:
    random = np.random.default_rng(0)
    labels = [random.integers(0, 3, len(images)) for images in (dataset.train, dataset.reference)]
    return replace(dataset, train_labels=labels[0], reference_labels=labels[1], fingerprint="noise" * 8)


def test_before_training_no_classifier_is_trained_but_all_else_is_checked(
    make_dataset: MakeDataset, short_recipe: Recipe
) -> None:
    dataset = make_dataset()
    scored = scorer(dataset, memorization=memorization())
    scored.check()
    assert is_trained_first(dataset) and not scored.provenance
    scored.prepare()
    assert not is_trained_first(dataset) and list(scored.floors)[:2] == ["cfd", "cfd_se"]
    scored.check()

    def refuse(context: object) -> float:
        raise DataError("own metric: not for these")

    with pytest.raises(DataError, match="not for these"):
        scorer(make_dataset(fingerprint="other" * 8), own=Metric(refuse, "minimise")).check()
    with pytest.raises(DataError, match="at least 4 held-out images"):
        scorer(make_dataset(reference=2, fingerprint="few" * 8)).check()


@pytest.mark.parametrize("broken", [False, True])
def test_an_interrupted_training_goes_on_where_it_was(
    make_dataset: MakeDataset, short_recipe: Recipe, broken: bool
) -> None:
    dataset = make_dataset()
    assert dataset.train_labels is not None
    kept = dataset.cache_dir / "kept"
    told: list[str] = []

    def stop(text: str, begins: bool) -> None:
        told.append(text)
        if len(told) == 12:
            raise Interrupted

    whole = train(dataset.train, dataset.train_labels, 3, short_recipe)
    with telling(stop), pytest.raises(Interrupted):
        train(dataset.train, dataset.train_labels, 3, short_recipe, kept=kept)
    if broken:
        kept.write_bytes(kept.read_bytes()[:1000])
    told.clear()
    with telling(lambda text, begins: told.append(text)):
        parts = train(dataset.train, dataset.train_labels, 3, short_recipe, kept=kept)
    assert told[1].split(": ")[2].startswith("1 of 30" if broken else "12 of 30")
    for one, other in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("share", "classes", "weak"), [(0.59, 10, True), (0.6, 10, False), (0.74, 4, True)])
def test_the_bound_is_the_larger_of_six_tenths_and_three_times_chance(share: float, classes: int, weak: bool) -> None:
    assert is_weak(share, classes) is weak


def test_a_weak_classifier_does_not_choose(make_dataset: MakeDataset, short_recipe: Recipe) -> None:
    dataset = with_noisy_labels(make_dataset())
    scored = scorer(dataset)
    scored.check()
    values = scored.evaluate(sampler_of(dataset.reference)).values
    assert scored.objective == "rfd" and "rfd_half_a" in values and "cfd" in values
    assert "is right for" in scored.provenance["marked"]["cfd"] and "rfd" not in scored.left_out
    asked = Evaluator(dataset, {"cfd": cfd(), "rfd": rfd()}, num_samples=20, objective="cfd")
    asked.prepare()
    assert asked.objective == "cfd" and asked.marked
