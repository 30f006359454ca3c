from __future__ import annotations

import itertools

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from ganexp.config.run_config import plain_values
from ganexp.sweep.compose import Composer

POINTS = [
    ("optim.lr=1e-3", "trainer.batch_size=16"),
    ("optim.lr=1e-3", "trainer.batch_size=64"),
    ("loss=minimax", "loss.warmup_epochs=3"),
    ("loss.warmup_epochs=3", "loss=minimax"),
    ("optim=sgd", "optim.momentum=0.9", "optim.generator.lr=0.5"),
    ("experiment=seed_cifar10", "trainer.epochs=7"),
    ("experiment=seed_cifar10", "dataset=digits", "trainer.epochs=8"),
    ("+model.extra=1",),
    ("+model.extra=1", "model.extra=2"),
    ("++model.extra=3", "optim.betas=[0.5,0.9]"),
    ("~model.dropout",),
    ("~penalty",),
    ("optim={lr:0.25}", "optim.eps=1e-3"),
    ("optim.lr=0.5", "optim={lr:0.25}"),
    ("optim={lr:0.25}", "optim.lr=0.5"),
    ("optim.lr=${trainer.batch_size}", "trainer.batch_size=8"),
    ("trainer.max_steps=null", "dataset.name='a b'", "model.generator_widths=[1,2,3]"),
    ("metrics/score=[cfd]", "metrics.num_samples=10"),
]


@pytest.mark.parametrize("overrides", POINTS, ids=" ".join)
def test_equals_what_hydra_composes_from_scratch(
    composer: Composer, loader: ConfigLoader, overrides: tuple[str, ...]
) -> None:
    whole = loader.load_configuration("config", list(overrides), RunMode.RUN)
    choices = {key: value for key, value in whole.hydra.runtime.choices.items() if "/" not in key}
    with open_dict(whole):
        del whole["hydra"]
    for _ in range(2):  # the second time from what was kept
        composed = composer.compose(overrides)
        assert OmegaConf.to_container(composed.config, resolve=False) == OmegaConf.to_container(whole, resolve=False)
        assert OmegaConf.to_container(composed.config, resolve=True) == OmegaConf.to_container(whole, resolve=True)
        assert composed.choices == choices


SERIES = [
    [("optim.lr=1e-3", "seed=0"), ("optim.lr=1e-3", "seed=1"), ("optim.lr=0.5", "seed=1")],
    [("optim=sgd", "optim.momentum=0.9", "optim.lr=0.1"), ("optim=sgd", "optim.momentum=0.5", "optim.lr=0.2")],
    [("optim.lr=${trainer.batch_size}", f"trainer.batch_size={size}") for size in (8, 16, 32)],
    [("+optim/schedule=linear", f"trainer.epochs={epochs}") for epochs in (3, 4)],
    [("logger.name=${trainer.${logger.kind}}", f"+logger.kind={key}") for key in ("epochs", "d_steps")],
    [("+logger.a=${oc.select:seed}", f"seed={seed}") for seed in (1, 2)],
    [('+logger.a="1${seed}"', "trainer.batch_size=${logger.a}", f"seed={seed}") for seed in (1, 2, 3)],
    [("+logger.a=${trainer.${metrics.objective}}", f"metrics.objective={key}") for key in ("epochs", "d_steps")],
    [("optim.betas=[0.5,0.9]", f"optim.betas.0={beta}") for beta in (0.1, 0.2)],
    [("trainer={epochs: 3}", f"trainer.epochs={epochs}", "trainer.epochs=7") for epochs in (4, 5)],
    [(f"trainer.epochs={epochs}", "trainer={epochs: 3}") for epochs in (4, 5)],
    [
        ("metrics.objective=null",),
        ("metrics.objective=cfd",),
        ("metrics.objective='a b'",),
        ("metrics.objective=null",),
    ],
    [("trainer.milestones=[1]",), ("trainer.milestones=[2,3]",), ("trainer.milestones=[]",)],
    [("trainer.epochs=3",), ("trainer.epochs=wrong",), ("trainer.epochs=4",), ("trainer.epochs=???",), ("seed=1",)],
    [("dataset.root=a",), ("dataset.root='${oc.env:HOME}'",), ("dataset.root='\\${x}'",), ("dataset.root=b",)],
]
"""Points that follow one another in a sweep."""


@pytest.mark.parametrize("series", SERIES, ids=str)
def test_the_next_point_is_as_from_scratch(
    composer: Composer, series: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def values(overrides: tuple[str, ...]) -> object:
        try:
            return plain_values(composer.compose(overrides).config)
        except Exception as error:
            return str(error)

    def next_values(overrides: tuple[str, ...]) -> object:
        try:
            return composer.plain(overrides)[0]
        except Exception as error:
            return str(error)

    assert [next_values(point) for point in series] == [values(point) for point in series]


def test_what_points_share_is_composed_once(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        composer, "compose", lambda overrides: calls.append(overrides) or Composer.compose(composer, overrides)
    )
    for rate, seed, loss in itertools.product((0.1, 0.2), range(9), ("minimax", "non_saturating")):
        composer.plain((f"loss={loss}", f"optim.lr={rate}", f"seed={seed}"))
    assert len(calls) == 2


def test_points_do_not_change_each_other(composer: Composer) -> None:
    first = composer.compose(("optim.lr=0.5", "+model.extra=1")).config
    second = composer.compose(("trainer.epochs=3",)).config
    assert (first.optim.lr, first.model.extra, first.trainer.epochs) == (0.5, 1, 50)
    assert second.optim.lr == 1e-4
    assert "extra" not in second.model


def test_composes_once_for_each_choice_of_options(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    original = composer._loader.load_sweep_config

    def counted(master: object, overrides: list[str]) -> object:
        calls.append(overrides)
        return original(master, overrides)  # type: ignore[arg-type]

    monkeypatch.setattr(composer._loader, "load_sweep_config", counted)
    for rate in range(1, 20):
        for loss in ("minimax", "non_saturating"):
            composer.compose((f"optim.lr={rate}", f"loss={loss}"))
    assert calls == [["loss=minimax"], ["loss=non_saturating"]]


@pytest.mark.parametrize("bad", ["trainer.nothing=1", "nothing=1", "loss=nothing", "trainer.epochs=abc", "~nothing"])
def test_what_hydra_refuses_is_refused(composer: Composer, bad: str) -> None:
    with pytest.raises(HydraException):
        composer.compose((bad,))
