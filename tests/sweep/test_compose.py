from __future__ import annotations

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from ganexp.sweep.compose import Composer, flatten

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


def test_flatten() -> None:
    tree = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None, "f": {}}
    assert flatten(tree) == {"a.b": 1, "a.c.d": [1, 2], "e": None, "f": {}}
