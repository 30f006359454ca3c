"""Scoring after the fact, and what a run's scores are made of."""

import json
from dataclasses import replace

import PIL.Image
import pytest

from ganexp.files.record import is_cadence, read_metrics
from ganexp.files.run_folder import RunFolder
from ganexp.trainer import run
from ganexp.trainer.rescore import evaluate
from ganexp.types.errors import ConfigError, DirectoryError
from helpers import TINY, make_spec

SCORED = [override for override in TINY if override != "metrics=none"]


@pytest.fixture
def spec(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return lambda *overrides: make_spec(tmp_path, *SCORED, "metrics.num_samples=60", *overrides)


def test_scores_fill_the_cadence_and_the_result_has_the_last_epoch(spec):
    done = run.execute(spec("trainer.epochs=3"))
    rows = read_metrics(done.directory / "metrics.csv")
    assert [row["cfd"] is not None for row in rows] == [True, True, False]
    result = json.loads(RunFolder(done.directory).result_json.read_text())
    assert result["final"]["epoch"] == 3
    assert result["final"]["cfd"] > 0
    assert result["objective"] == {
        "name": "cfd",
        "value": result["final"]["cfd_half_a"],
        "half": "A",
        "direction": "minimise",
    }
    assert done.objective == result["final"]["cfd_half_a"] != result["final"]["cfd"]
    assert result["best"]["half_a"] == min([row["cfd_half_a"] for row in rows[:2]] + [done.objective])
    assert set(result["floors"]) == {"cfd", "precision", "recall", "density", "coverage"}
    assert result["provenance"]["metrics"]["num_samples"] == 60


def test_full_metrics_draw_closer_pictures(spec):
    done = run.execute(spec("trainer.epochs=1", "metrics=full", "metrics.num_samples=60"))
    final = json.loads(RunFolder(done.directory).result_json.read_text())["final"]
    assert {"parzen_ll", "parzen_ll_se", "memorization"} <= set(final)
    interpolation, neighbours = (
        PIL.Image.open(done.directory / "samples" / f"{name}.png") for name in ("interpolation", "neighbours")
    )
    with interpolation, neighbours:
        assert interpolation.size == neighbours.size


def test_evaluating_again_gives_the_same_digits(spec):
    done = run.execute(spec("trainer.epochs=3", "trainer.ema_kimg=0.1"))
    before = json.loads(RunFolder(done.directory).result_json.read_text())
    scores = evaluate(done.directory)
    after = json.loads(RunFolder(done.directory).result_json.read_text())
    assert dict(scores.values) == {name: before["final"][name] for name in scores.values}
    assert after == before


def test_metrics_can_be_added_to_a_run_that_measured_nothing(spec):
    done = run.execute(spec("metrics=none"))
    assert "cfd" not in json.loads(RunFolder(done.directory).result_json.read_text())["final"]
    with pytest.raises(ConfigError, match="--metrics default"):
        evaluate(done.directory)
    evaluate(done.directory, metrics="default", num_samples=60)
    result = json.loads(RunFolder(done.directory).result_json.read_text())
    assert result["final"]["cfd"] > 0
    assert result["objective"]["name"] == "cfd"


def test_the_generator_of_an_earlier_epoch(spec):
    done = run.execute(spec("metrics=none", "trainer.milestones=[2]"))
    evaluate(done.directory, metrics="default", epoch=2, num_samples=60)
    written = json.loads((done.directory / "evaluations" / "epoch_0002.json").read_text())
    assert written["epoch"] == 2
    assert written["values"]["cfd"] > 0
    with pytest.raises(DirectoryError, match="epoch 1"):
        evaluate(done.directory, metrics="default", epoch=1, num_samples=60)


def test_an_unknown_option_lists_those_there_are(spec):
    done = run.execute(spec("metrics=none"))
    with pytest.raises(ConfigError, match="default, full, inception, none"):
        evaluate(done.directory, metrics="beauty")


def test_scores_do_not_depend_on_the_batch_size(spec):
    """The same generator scored under another configuration of the trainer."""
    done = run.execute(spec("trainer.epochs=1"))
    asked = spec("trainer.epochs=1", "trainer.batch_size=7")
    from ganexp.files.generator import generator_weights
    from ganexp.trainer.build import build_state, make_evaluator
    from ganexp.trainer.sampling import sampler

    training = build_state(asked)
    training.generator.load_state_dict(generator_weights(done.directory, None)[0])
    gan = training.gan
    scores = make_evaluator(asked).evaluate(sampler(training.generator, gan.latent, gan.latent_dim, training.device))
    final = json.loads(RunFolder(done.directory).result_json.read_text())["final"]
    assert dict(scores.values) == {name: final[name] for name in scores.values}


def test_an_objective_that_needs_labels_is_refused_before_anything_is_written(spec):
    asked = spec("metrics.objective=cfd")
    unlabelled = replace(
        asked, dataset=replace(asked.dataset, name="own", train_labels=None, reference_labels=None, num_classes=None)
    )
    with pytest.raises(ConfigError, match="'cfd', which is left out: expected labelled images"):
        run.execute(unlabelled)
    assert not asked.directory.exists()


@pytest.mark.parametrize(("every", "epochs"), [(None, [1, 2, 5, 10, 20, 50, 100, 200]), (3, [3, 6, 9]), (1, [1, 2, 3])])
def test_cadence(every, epochs):
    assert [epoch for epoch in range(1, epochs[-1] + 1) if is_cadence(epoch, every)] == epochs
