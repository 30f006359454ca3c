"""Scoring after the fact, and what a run's scores are made of."""

import json
import shutil
from dataclasses import replace
from statistics import mean, stdev
from unittest.mock import Mock

import PIL.Image
import pytest

from ganexp.files.generator import generator_weights
from ganexp.files.record import is_cadence, read_metrics
from ganexp.files.run_folder import RunFolder
from ganexp.logger.base import Guarded
from ganexp.opened import open_run
from ganexp.report.summary import load_metrics
from ganexp.trainer import loop, run
from ganexp.trainer.build import build_state, make_evaluator
from ganexp.trainer.rescore import evaluate
from ganexp.trainer.sampling import sampler
from ganexp.types.errors import ConfigError, DirectoryError
from helpers import TINY, make_spec

SCORED = [override for override in TINY if override != "metrics=none"]


def scored_by(asked, directory):
    """The evaluator that a run asks for, and a sampler of the generator that another directory kept."""
    training = build_state(asked)
    weights, meta = generator_weights(directory, None)
    training.generator.load_state_dict(weights)
    gan, counts = training.gan, meta["label_counts"]
    sample = sampler(training.generator, gan.latent, gan.latent_dim, training.device, label_counts=counts)
    return make_evaluator(asked), sample


@pytest.fixture
def spec(tmp_path, data_root, monkeypatch, no_losses_figure, every_state):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return lambda *overrides: make_spec(tmp_path, *SCORED, "metrics.num_samples=60", *overrides)


def test_scores_fill_the_cadence_and_the_result_has_the_last_epoch(spec, monkeypatch):
    asked, logged = spec("trainer.epochs=3"), {}
    told = Mock(log=lambda row, step: logged.setdefault(step, {}).update(row))
    monkeypatch.setattr("ganexp.logger.csv", lambda: Guarded("recorder", told))
    done = run.execute(asked)
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
    assert [(step, "cfd" in row) for step, row in logged.items()] == [(3, True), (6, True), (9, True)]
    assert logged[9]["cfd"] == result["final"]["cfd"]
    assert logged[9]["d_loss"] == rows[-1]["d_loss"]
    ends = [load_metrics(done.directory), open_run(done.directory).metrics]
    assert [list(table["cfd"].isna()) for table in ends] == [[False] * 3] * 2
    assert [table["cfd"].iloc[-1] for table in ends] == [result["final"]["cfd"]] * 2
    assert set(result["floors"]) == {"cfd", "cfd_se", "precision", "recall", "density", "coverage"}
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


def test_evaluating_with_full_metrics_draws_them_too(spec):
    done = run.execute(spec("trainer.epochs=1"))
    paths = [done.directory / "samples" / f"{name}.png" for name in ("interpolation", "neighbours")]
    assert not any(path.exists() for path in paths)
    evaluate(done.directory, metrics="full", num_samples=60)
    assert all(path.exists() for path in paths)
    paths[0].unlink()
    assert evaluate(done.directory, metrics="full", num_samples=60, again=False) is not None and paths[0].exists()


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
    evaluator, sample = scored_by(spec("trainer.epochs=1", "trainer.batch_size=7"), done.directory)
    scores = evaluator.report(sample.redrawn(), evaluator.evaluate(sample))
    final = json.loads(RunFolder(done.directory).result_json.read_text())["final"]
    assert dict(scores.values) == {name: final[name] for name in scores.values}


def test_half_b_is_reported_of_another_draw_than_the_curve_has(spec):
    done = run.execute(spec("trainer.epochs=2"))
    last, result = RunFolder(done.directory).rows()[-1], RunFolder(done.directory).result()
    evaluator, sample = scored_by(spec("trainer.epochs=2"), done.directory)
    draw_a, draw_b = evaluator.evaluate(sample).values, evaluator.evaluate(sample.redrawn()).values
    assert {name: last[name] for name in draw_a} == draw_a
    assert {name: result["final"][name] for name in draw_b} == {**draw_b, "cfd_half_a": draw_a["cfd_half_a"]}
    assert draw_a["cfd"] != draw_b["cfd"] and draw_a["cfd_half_a"] != draw_b["cfd_half_a"]
    assert result["best"]["value"] in (RunFolder(done.directory).rows()[0]["cfd"], draw_b["cfd"])


def numbers(directory):
    """What a run says of its generators: metrics.csv but for seconds, and its result's scores."""
    folder = RunFolder(directory)
    rows = [{name: value for name, value in row.items() if name != "train_seconds"} for row in folder.rows()]
    final = {name: value for name, value in folder.result()["final"].items() if name != "train_seconds"}
    return rows, final, folder.result()["best"], folder.result()["floors"]


@pytest.mark.parametrize("conditional", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_way_to_a_generator_gives_the_same_scores(spec, monkeypatch, conditional):
    own = (f"model.conditional={str(conditional).lower()}", "sweep.retry=failed")
    alone = spec("trainer.epochs=2", *own)
    longer = spec("trainer.epochs=4", "trainer.milestones=[2]", "sweep.read_off=[2]", *own)

    def fails_at(step, asked):
        steps, original = [], loop.train_step
        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power"):
            patch.setattr(
                loop, "train_step", lambda *a: (steps.append(1), original(*a) if len(steps) < step else off())
            )
            run.execute(asked)

    def off():
        raise RuntimeError("the power is gone")

    run.execute(alone)
    wanted = numbers(alone.directory)
    evaluate(alone.directory)
    assert numbers(alone.directory) == wanted, "evaluate"
    shutil.rmtree(alone.directory)
    fails_at(4, alone)
    run.execute(alone)
    assert numbers(alone.directory) == wanted, "resumed in its last epoch"
    shutil.rmtree(alone.directory)
    fails_at(10, longer)
    assert numbers(alone.directory) == wanted, "written as the longer run passed it"
    shutil.rmtree(alone.directory)
    run.execute(longer)
    assert numbers(alone.directory) == wanted, "written as the longer run was resumed after it"
    shutil.rmtree(alone.directory)
    run.execute(alone)
    assert RunFolder(alone.directory).result()["read_off"] == longer.directory.name
    assert numbers(alone.directory) == wanted, "read off the finished longer run"


@pytest.mark.parametrize("conditional", ["false", pytest.param("true", marks=pytest.mark.slow)])
def test_the_standard_error_of_cfd_is_its_spread_over_draws(tmp_path, data_root, monkeypatch, conditional):
    """A small generator trained on the digits, and 20 draws of 449 images."""
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    small = ("model.latent_dim=16", "model.generator_widths=[64]", "model.discriminator_width=64")
    trained = ("trainer.d_steps=1", "trainer.batch_size=50", "trainer.epochs=5", "optim.lr=1e-3", "trainer.threads=1")
    done = run.execute(asked := make_spec(tmp_path, *small, *trained, f"model.conditional={conditional}"))
    final = RunFolder(done.directory).result()["final"]
    evaluator, sample = scored_by(asked, done.directory)
    draws = [evaluator.evaluate(replace(sample, seed=seed)).values["cfd"] for seed in range(20)]
    assert 0 < stdev(draws) / 1.5 < final["cfd_se"] < stdev(draws) * 1.5
    assert abs(final["cfd"] - mean(draws)) < 4 * final["cfd_se"]


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
