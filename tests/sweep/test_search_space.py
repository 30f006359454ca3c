"""What a search chooses from, and what is refused of it before any trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection

from ganexp.config.hydra_private import apply_overrides
from ganexp.sweep.compose import Composer
from ganexp.sweep.directory import directory_override
from ganexp.sweep.search.space import Space, check, objectives_of, space_of
from ganexp.sweep.search.study import address_of, open_storage
from ganexp.types.errors import ConfigError

FIXED = ("dataset.num_images=48",)


def space(*overrides: str) -> Space:
    return space_of(OverridesParser.create().parse_overrides([*FIXED, *overrides]))


def test_hydras_overrides_are_optunas_distributions() -> None:
    found = space(
        "optim.lr=tag(log,interval(1e-5,1e-3))",
        "trainer.batch_size=choice(16,32)",
        "trainer.d_steps=range(1,6)",
        "trainer.ema_kimg=null,5",
        "seed=3",
    )
    assert found.distributions == {
        "optim.lr": FloatDistribution(1e-5, 1e-3, log=True),
        "trainer.batch_size": CategoricalDistribution([16, 32]),
        "trainer.d_steps": IntDistribution(1, 5),
        "trainer.ema_kimg": CategoricalDistribution(["null", 5]),
    }
    assert found.fixed == {"dataset.num_images": "48", "seed": "3"}


def test_of_several_overrides_of_a_key_the_last_counts() -> None:
    found = space("optim.lr=tag(log,interval(1e-5,1e-3))", "optim.lr=1e-4", "seed=1", "seed=1,2")
    assert list(found.distributions) == ["seed"]
    assert found.fixed["optim.lr"] == "0.0001"


def test_probes_take_every_choice_and_both_ends() -> None:
    found = space("optim.lr=interval(0.1,0.2)", "loss=hinge,lsgan,wgan")
    told = [tuple(text for text in probe if "num_images" not in text) for probe in found.probes()]
    assert told == [
        ("optim.lr=0.1", "loss=hinge"),
        ("optim.lr=0.2", "loss=hinge"),
        ("optim.lr=0.1", "loss=lsgan"),
        ("optim.lr=0.1", "loss=wgan"),
    ]


@pytest.mark.parametrize(
    ("override", "epochs"),
    [("trainer.epochs=2,4,8", [2, 4, 8]), ("trainer.epochs=range(1,4)", [1, 2, 3]), ("trainer.epochs=8", [])],
)
def test_all_epochs_that_a_trial_may_ask_for_are_kept(override: str, epochs: list[int]) -> None:
    assert space(override).milestones() == epochs


def test_what_optuna_cannot_draw_from_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer.d_steps: expected choices, a range or an interval"):
        space("trainer.d_steps=range(1,1)")


class TestCheck:
    def test_gives_a_point_that_can_be_trained(self, composer: Composer) -> None:
        (point, *_) = check(composer, space("trainer.batch_size=4096,16"))
        assert point.config.trainer.batch_size == 16, "4096 is more than there are images"

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("optim.lr=interval(-1.0,0.1)", r"the space holds optim.lr=-1.0: optim.lr: expected"),
            ("loss=hinge,nosuch", r"nosuch"),
            ("trainer.batch_size=0,16", r"trainer.batch_size=0: trainer.batch_size: expected"),
        ],
    )
    def test_a_value_that_no_trial_could_have_is_refused(self, composer: Composer, override: str, message: str) -> None:
        with pytest.raises(Exception, match=message):
            check(composer, space(override))


class TestObjectives:
    def test_by_default_the_metrics_own(self, composer: Composer) -> None:
        config = check(composer, space())[0].config
        assert objectives_of(config, None, None) == {"cfd": "minimize"}
        directions = {"cfd": "minimize", "train_seconds": "minimize", "recall": "maximize"}
        assert objectives_of(config, list(directions), None) == directions

    def test_without_labels_they_are_rfd(self, composer: Composer, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), np.uint8))
        data = ("dataset=arrays", f"dataset.images={tmp_path / 'x.npy'}", f"dataset.root={tmp_path}")
        config = check(composer, space(*data))[0].config
        assert objectives_of(config, None, None) == {"rfd": "minimize"}
        with pytest.raises(ConfigError, match=r"expected some of precision, .*rfd.*got 'cfd'"):
            objectives_of(config, ["cfd"], None)

    def test_metrics_none_is_refused(self, composer: Composer) -> None:
        config = check(composer, space("metrics=none"))[0].config
        with pytest.raises(ConfigError, match="there must be something to choose by"):
            objectives_of(config, None, None)

    @pytest.mark.parametrize("asked", [["cfdd"], [], ["cfd", "cfd"]])
    def test_what_no_metric_gives_is_refused(self, composer: Composer, asked: list[str]) -> None:
        with pytest.raises(ConfigError, match=r"hydra.sweeper.objectives: expected"):
            objectives_of(check(composer, space())[0].config, asked, None)

    def test_a_direction_against_the_metrics_own_is_refused(self, composer: Composer) -> None:
        config = check(composer, space())[0].config
        assert objectives_of(config, ["cfd"], "minimize") == {"cfd": "minimize"}
        with pytest.raises(ConfigError, match=r"hydra.sweeper.direction: expected minimize \(cfd: minimize\)"):
            objectives_of(config, ["cfd"], "maximize")


@pytest.mark.parametrize("name", ["a?b#c", "{x} %20 %j", "${x} \\${y} 'q' \"d\"", "é=, [/b]\\"])
def test_a_sweep_directory_of_any_name_holds_a_study_and_is_read_back(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    address = address_of(OmegaConf.create({"storage": None, "study_name": None}), folder)
    open_storage(address).create_new_study([StudyDirection.MINIMIZE], "s")
    assert (folder / "study.db").stat().st_size > 0
    override = OverridesParser.create().parse_override(directory_override(folder))
    cfg = OmegaConf.create({"hydra": {"sweep": {"dir": None}}})
    apply_overrides([override], cfg)
    assert cfg.hydra.sweep.dir == str(folder)
