import json
import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from squares import MakeDataset, sampler_of
from torch import Tensor

from ganexp.metrics import (
    Estimate,
    Evaluator,
    Metric,
    ScoringContext,
    cfd,
    classifiers,
    coverage,
    density,
    precision,
    recall,
    same_protocol,
)
from ganexp.metrics.classifier_network import Recipe
from ganexp.metrics.protocol import VERSION
from ganexp.metrics.reference import halve
from ganexp.types import Dataset
from ganexp.types.errors import ConfigError, DataError, Diverged

DEFAULT = {"cfd": cfd(), "precision": precision(), "recall": recall(), "density": density(), "coverage": coverage()}


def evaluator(dataset: Dataset, metrics: Mapping[str, Metric] = DEFAULT, **changes: object) -> Evaluator:
    settings = {"num_samples": 10_000, "objective": "cfd" if "cfd" in metrics else None} | changes
    return Evaluator(dataset, metrics, **settings)  # type: ignore[arg-type]


def brightness() -> Metric:
    """A user's own metric, in pixels."""

    def compute(context: ScoringContext) -> float:
        return abs(float(context.generated.images.mean()) - float(context.reference.images.mean()))

    return Metric(compute, "minimise")


def test_real_images_score_at_the_floor_and_noise_far_from_it(digits: Dataset) -> None:
    scored = evaluator(digits)
    scored.prepare()
    floors = scored.floors
    assert 0 < floors["cfd"] < 5
    assert all(floors[name] > 0.85 for name in ("precision", "recall", "coverage"))
    assert floors["density"] == pytest.approx(1, abs=0.15)
    real = scored.evaluate(sampler_of(np.asarray(digits.train)))
    noise = scored.evaluate(lambda n: torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    assert real.values["cfd"] < 5 * floors["cfd"] < noise.values["cfd"] / 5
    assert real.values["precision"] > 0.8 and noise.values["precision"] < 0.1
    assert list(real.values) == scored.columns == ["cfd", "cfd_se", *list(DEFAULT)[1:], "cfd_half_a"]
    assert real.floors == floors


def test_cfd_rises_with_noise_and_lost_classes_cost_recall_alone(digits: Dataset) -> None:
    assert digits.reference_labels is not None
    scored, real, random = evaluator(digits), halve(digits, 10_000).a, np.random.RandomState(0)

    def noised(share: float) -> np.ndarray:
        return np.where(random.uniform(size=real.shape) < share, random.randint(0, 256, real.shape), real)

    scores = [scored.evaluate(sampler_of(noised(share).astype(np.uint8))).values for share in (0, 0.05, 0.2, 0.5)]
    assert [row["cfd"] for row in scores] == sorted(row["cfd"] for row in scores)
    assert scores[0]["precision"] > scores[1]["precision"] > scores[2]["precision"]
    few = scored.evaluate(sampler_of(np.asarray(digits.reference)[np.asarray(digits.reference_labels) < 5])).values
    assert few["cfd"] > 10 * scores[0]["cfd"]
    assert few["recall"] < 0.6 < 0.9 * scores[0]["precision"] < few["precision"]


def test_choosing_and_reporting_use_different_halves(digits: Dataset) -> None:
    scored = evaluator(digits, {"cfd": cfd()})
    values = scored.evaluate(sampler_of(np.asarray(digits.train))).values
    assert values["cfd"] != values["cfd_half_a"]
    halves = halve(digits, 10_000)
    on_a = scored.evaluate(sampler_of(halves.a)).values
    assert on_a["cfd_half_a"] == pytest.approx(0, abs=1e-9)
    assert on_a["cfd"] == scored.floors["cfd"]


def test_same_numbers_to_the_last_digit_whatever_block_and_thread_count(digits: Dataset) -> None:
    weights = torch.randn(16, 28 * 28, generator=torch.Generator().manual_seed(0))

    def generate(count: int, batch: int) -> Tensor:
        z = torch.randn(1024, 16, generator=torch.Generator().manual_seed(7))[:count]
        parts = [(part[:, :, None] * weights).sum(dim=1) for part in torch.split(z, batch)]
        return torch.cat(parts).tanh().view(-1, 1, 28, 28)

    state = torch.get_rng_state()
    first = evaluator(digits).evaluate(lambda count: generate(count, 64)).values
    torch.set_num_threads(3)
    try:
        again = evaluator(digits).evaluate(lambda count: generate(count, 250)).values
    finally:
        torch.set_num_threads(1)
    assert first == again
    assert torch.equal(torch.get_rng_state(), state)


def test_scores_do_not_depend_on_which_metrics_go_with_them(digits: Dataset) -> None:
    sample = sampler_of(np.asarray(digits.train))
    alone = evaluator(digits, {"coverage": coverage()}).evaluate(sample)
    together = evaluator(digits).evaluate(sample)
    assert alone.values["coverage"] == together.values["coverage"]
    assert same_protocol(alone.provenance, together.provenance, "coverage")


def test_provenance_is_json_and_says_how_the_number_was_made(digits: Dataset) -> None:
    scored = evaluator(digits)
    scored.prepare()
    told = json.loads(json.dumps(scored.provenance))
    assert told["num_samples"] == 449 and told["num_samples_asked"] == 10_000
    assert told["reference"]["origin"] == "fixed stratified half of the data"
    assert told["extractors"]["classifier"]["test_accuracy"] >= 0.97
    assert told["metrics"]["density"] == {
        "function": "ganexp.metrics.manifold.density",
        "direction": "maximise",
        "settings": {"k": 5},
        "extractor": "classifier",
        "num_samples": 449,
        "version": VERSION,
    }
    assert set(told["protocol"]) == {*DEFAULT, "cfd_half_a"}
    assert told["protocol"]["cfd"] != told["protocol"]["cfd_half_a"]


def test_values_of_different_protocol_are_told_apart(
    make_dataset: MakeDataset, short_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(dataset: Dataset, k: int = 3, **changes: object) -> Mapping[str, object]:
        scored = evaluator(dataset, {"cfd": cfd(), "precision": precision(k=k)}, **changes)
        scored.prepare()
        return scored.provenance

    dataset = make_dataset()
    base = told(dataset)
    assert same_protocol(base, told(dataset), "cfd")
    assert not same_protocol(base, told(dataset, num_samples=20), "cfd")
    other_k = told(dataset, k=4)
    assert same_protocol(base, other_k, "cfd") and not same_protocol(base, other_k, "precision")
    assert not same_protocol(base, told(replace(dataset, reference=dataset.reference[::-1])), "cfd")
    monkeypatch.setattr(classifiers, "OWN_RECIPE", replace(short_recipe, seed=1))
    assert not same_protocol(base, told(dataset), "cfd")
    assert not same_protocol(base, base, "fid") and not same_protocol({}, {}, "cfd")


def test_a_users_metric_is_one_function(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    scored = evaluator(dataset, {"brightness": brightness()}, objective="brightness")
    values = scored.evaluate(lambda count: torch.ones(count, 1, 12, 12)).values
    assert values["brightness"] == pytest.approx(255 - dataset.reference.mean(), rel=0.05)
    assert values.keys() == {"brightness", "brightness_half_a"}
    assert not list(dataset.cache_dir.iterdir())


def test_a_standard_error_becomes_a_column_and_floors_may_ask_for_unquantised_images(
    make_dataset: MakeDataset,
) -> None:
    def compute(context: ScoringContext) -> Estimate:
        return Estimate(float(context.unquantised(5).mean()), 0.5)

    scored = evaluator(make_dataset(), {"mean": Metric(compute, "maximise")}, objective="mean")
    values = scored.evaluate(lambda count: torch.zeros(count, 1, 12, 12)).values
    assert values == {"mean": 0.0, "mean_se": 0.5, "mean_half_a": 0.0}
    assert -1 < scored.floors["mean"] < 0


def test_a_report_is_of_another_draw_but_for_the_value_that_settings_are_chosen_by(make_dataset: MakeDataset) -> None:
    scored = evaluator(make_dataset(), {"brightness": brightness()}, objective="brightness")
    grey = [sampler_of(np.full((1, 1, 12, 12), level, np.uint8)) for level in (10, 200)]
    a, b = (scored.evaluate(sample) for sample in grey)
    assert a.values["brightness"] != b.values["brightness"]
    reported = scored.report(grey[1], a)
    assert reported.values == {"brightness": b.values["brightness"], "brightness_half_a": a.values["brightness_half_a"]}
    assert (reported.floors, reported.provenance) == (a.floors, a.provenance)


def test_a_metric_that_asks_for_features_must_declare_them(make_dataset: MakeDataset) -> None:
    undeclared = Metric(lambda context: float(context.features(context.generated).sum()), "minimise")
    with pytest.raises(ConfigError, match="must declare its extractor"):
        evaluator(make_dataset(), {"sum": undeclared}).prepare()


def test_nothing_to_measure_needs_neither_images_nor_labels(make_dataset: MakeDataset) -> None:
    def never(count: int) -> Tensor:
        raise AssertionError("nothing was to be sampled")

    scores = evaluator(make_dataset(reference=1, train_labels=None), {}).evaluate(never)
    assert scores.values == {} and scores.floors == {}


def test_too_few_held_out_images_for_k_are_refused_before_training(
    make_dataset: MakeDataset, short_recipe: Recipe
) -> None:
    with pytest.raises(DataError, match="more than k=5 images, got 4"):
        evaluator(make_dataset(reference=8)).prepare()


def test_objective_must_be_a_column(make_dataset: MakeDataset) -> None:
    with pytest.raises(ConfigError, match=r"metrics.objective: expected one of cfd, .*got 'fid'"):
        evaluator(make_dataset(), objective="fid")
    with pytest.raises(ConfigError, match="expected one of null, got 'cfd'"):
        evaluator(make_dataset(), {}, objective="cfd")


def test_images_that_are_not_finite_or_misshaped_are_refused(make_dataset: MakeDataset) -> None:
    scored = evaluator(make_dataset(), {"brightness": brightness()})
    with pytest.raises(Diverged, match="NaN"):
        scored.evaluate(lambda count: torch.full((count, 1, 12, 12), torch.nan))
    with pytest.raises(ValueError, match=r"expected images \(30, 1, 12, 12\), got \(30, 12, 12\)"):
        scored.evaluate(lambda count: torch.zeros(count, 12, 12))
    with pytest.raises(Diverged, match="metric infinite: expected a finite value, got inf"):
        evaluator(make_dataset(), {"infinite": Metric(lambda context: float("inf"), "minimise")}).prepare()


def test_real_features_are_shared_between_evaluators(
    digits: Dataset, caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dataset = replace(digits, cache_dir=tmp_path_factory.mktemp("cache"))
    with caplog.at_level(logging.INFO, "ganexp"):
        evaluator(dataset, {"cfd": cfd()}).prepare()
        assert caplog.text.count("real images, once") == 2
        evaluator(dataset).prepare()
    assert caplog.text.count("real images, once") == 2
