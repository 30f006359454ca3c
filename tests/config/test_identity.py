import dataclasses
import inspect

import pytest

from ganexp.config.run_config import load
from ganexp.config.run_spec import canonical, run_id, trajectory_id
from ganexp.files.record import difference
from helpers import compose_config


def ids(*overrides):
    identity = canonical(load(compose_config("metrics=none", *overrides)), "digits", "f" * 16, defaults=False)
    return run_id(identity), trajectory_id(identity)


BASE = ("optim.lr=1e-5",)


@pytest.mark.parametrize(
    "same",
    [
        ("optim.lr=0.00001",),
        ("optim.lr=1e-5", "trainer.device=cpu"),
        ("optim.lr=1e-5", "trainer.threads=2"),
        ("optim.lr=1e-5", "trainer.milestones=[1,2]"),
        ("optim.lr=1e-5", "trainer.samples_every_epochs=7", "trainer.keep_checkpoints=3"),
        ("optim.lr=1e-5", "logger=tensorboard"),
        ("optim.lr=1e-5", "sweep.retry=failed"),
        ("optim.lr=1e-5", "dataset.root=/elsewhere"),
    ],
)
def test_what_does_not_change_the_numbers_is_no_part_of_the_run(same):
    assert ids(*same) == ids(*BASE)


@pytest.mark.parametrize(
    "other",
    [
        ("optim.lr=1e-4",),
        ("optim.lr=1e-5", "optim.generator.lr=1e-4"),
        ("optim.lr=1e-5", "optim.betas=[0.5,0.999]"),
        ("optim.lr=1e-5", "seed=1"),
        ("optim.lr=1e-5", "trainer.precision=bf16"),
        ("optim.lr=1e-5", "trainer.real_batch=fresh"),
        ("optim.lr=1e-5", "trainer.ema_kimg=10"),
        ("optim.lr=1e-5", "trainer.max_steps=10"),
        ("optim.lr=1e-5", "loss=minimax"),
        ("optim.lr=1e-5", "model.dropout=0.2"),
        ("optim.lr=1e-5", "loss.label_smoothing=0.1"),
        ("optim.lr=1e-5", "augment=flip"),
    ],
)
def test_what_changes_the_numbers_makes_another_run(other):
    assert ids(*other)[0] != ids(*BASE)[0]
    assert ids(*other)[1] != ids(*BASE)[1]


def test_epochs_make_another_run_of_the_same_trajectory():
    short, long = ids("trainer.epochs=20"), ids("trainer.epochs=50")
    assert short[0] != long[0]
    assert short[1] == long[1]


def test_a_value_that_depends_on_the_epochs_makes_another_trajectory():
    schedule = "model.leak=${trainer.epochs}"
    assert ids("trainer.epochs=20", schedule)[1] != ids("trainer.epochs=50", schedule)[1]


def test_the_data_is_part_of_the_run():
    config = load(compose_config("metrics=none"))
    assert run_id(canonical(config, "digits", "a")) != run_id(canonical(config, "digits", "b"))


def test_the_numerics_version_is_part_of_the_run(monkeypatch):
    before = ids()
    monkeypatch.setattr("ganexp.config.run_spec.NUMERICS_VERSION", 10**6)
    assert ids() != before


def test_difference_names_each_value():
    config = load(compose_config("metrics=none"))
    there = canonical(config, "digits", "a")
    asked = canonical(dataclasses.replace(config, seed=3), "digits", "b")
    assert difference(there, asked) == ["dataset.fingerprint: there 'a', asked 'b'", "seed: there 0, asked 3"]


def test_a_default_written_out_is_the_same_run():
    assert ids("model.dropout=0.3", "trainer.batch_size=32", "optim.betas=[0.9,0.999]") == ids()


def test_a_new_parameter_with_a_neutral_default_leaves_runs_what_they_were(monkeypatch):
    before = ids()
    from ganexp import model

    original = model.mlp

    def mlp(image_shape, *, brand_new: float = 1.5, **known):
        return original(image_shape, **known)

    mlp.__annotations__ = {}
    mlp.__module__ = "ganexp.model"
    mlp.__qualname__ = "mlp"
    mlp.__signature__ = _with_parameter(original, "brand_new", 1.5)
    monkeypatch.setattr(model, "mlp", mlp)
    assert ids() == before
    assert ids("+model.brand_new=2.0") != before


def _with_parameter(function, name, default):
    signature = inspect.signature(function, eval_str=True)
    extra = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=float)
    return signature.replace(parameters=[*signature.parameters.values(), extra])


def test_settings_that_are_no_finite_numbers_can_be_recorded():
    config = load(compose_config("metrics=none"))
    params = {**config.loss.params, "bound": float("inf"), "floor": float("nan")}
    config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, params=params))
    identity = canonical(config, "digits", "f")
    assert (identity["loss"]["bound"], identity["loss"]["floor"]) == ("Infinity", "NaN")
    assert difference(identity, canonical(config, "digits", "f")) == []
