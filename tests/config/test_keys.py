"""Keys that go nowhere are refused, wherever they come from; notes are free."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose
from omegaconf import OmegaConf
from typing_extensions import TypedDict

from ganexp.config.hydra_keys import check_hydra
from ganexp.config.reopen import open_config
from ganexp.config.run_config import from_plain, load, plain_values
from ganexp.config.run_spec import identify
from ganexp.config.target import validate_value
from ganexp.types.errors import ConfigError
from helpers import TINY, compose_config, make_spec


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("++trainer.batchsize=64", r"trainer\.batchsize: unknown key.*Did you mean 'batch_size'"),
        ("+trainer.epoch=5", r"trainer\.epoch: unknown key.*Did you mean 'epochs'"),
        ("+metrics.n=3", r"metrics\.n: unknown key.*Did you mean 'num_samples'"),
        ("++metrics.score=3", r"metrics\.score: unknown key.*Did you mean 'scores'"),
        ("+metrics.scores.cfd.features=3", r"metrics\.scores\.cfd\.features: unknown key"),
        ("+sweep.x=1", r"sweep\.x: unknown key; sweep takes name, dry_run"),
        ("++optim.schedule.lr.shap=linear", r"optim\.schedule\.lr\.shap: unknown key.*Did you mean 'shape'"),
        ("++optim.schedule.beta.shape=constant", r"optim\.schedule\.beta: unknown key"),
        ("+optim.generator.rate=1", r"optim\.generator\.rate: unknown key"),
        ("+penalty.gama=1", r"penalty\.gama: unknown key"),
        ("+sed=1", r"sed: unknown key.*Did you mean 'seed'"),
    ],
)
def test_a_key_that_nobody_reads_is_refused_with_the_nearest_name(override, message):
    with pytest.raises(ConfigError, match=message):
        load(compose_config(override))


def test_a_schedule_of_a_penalty_too():
    with pytest.raises(ConfigError, match=r"penalty\.schedule\.begin: unknown key; penalty\.schedule takes shape"):
        load(compose_config("penalty=r1", "+penalty.schedule.begin=3"))


@dataclass
class Block:
    width: int = 1


class Options(TypedDict, total=False):
    depth: int


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Block | None, {"widht": 2}, "model.block.widht: unknown key; model.block takes width. Did you mean 'width'"),
        (list[Block], [{"widht": 2}], "model.block.0.widht: unknown key; model.block.0 takes width"),
        (Options, {"dept": 2}, "model.block.dept: unknown key; model.block takes depth. Did you mean 'depth'"),
    ],
)
def test_what_an_own_function_takes_as_a_structure_is_checked_too(annotation, value, message):
    with pytest.raises(ConfigError, match=message):
        validate_value("model.block", annotation, value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+hydra.foo=1", r"hydra\.foo: unknown key"),
        ("++hydra.launcher.n_job=2", r"hydra\.launcher\.n_job: unknown key.*Did you mean 'n_jobs'"),
        ("+hydra.job.named=x", r"hydra\.job\.named: unknown key.*Did you mean 'name'"),
        ("++hydra.sweeper.batch=3", r"hydra\.sweeper\.batch: unknown key"),
    ],
)
def test_keys_of_hydras_own_node_too(override, message):
    compose_config()
    with pytest.raises(ConfigError, match=message):
        check_hydra(compose("config", [override], return_hydra_config=True).hydra)


def test_what_hydras_own_node_may_hold():
    compose_config()
    free = [
        "+hydra.job.env_set.A=b",
        "++hydra.sweeper.params={seed: 1}",
        "sweep=tune",
        "++hydra.sweeper.sampler.seed=3",
    ]
    for options in ([], free, ["hydra/launcher=laptop"], ["hydra/launcher=basic"]):
        check_hydra(compose("config", options, return_hydra_config=True).hydra)


def test_notes_are_free_and_no_part_of_a_run(tmp_path):
    plain = load(compose_config(*TINY))
    noted = load(compose_config(*TINY, "+notes.width=16", "+notes.who=me", "model.generator_widths=['${notes.width}']"))
    assert noted.model.params["generator_widths"] == (16,)
    assert identify(noted).run_id == identify(plain).run_id


def test_a_recorded_configuration_opens_as_0_1_0_wrote_it_and_its_unknown_keys_are_refused(tmp_path):
    spec = make_spec(tmp_path, *TINY)
    values = plain_values(OmegaConf.create(spec.texts.config))
    del values["notes"]
    assert from_plain(values) == spec.config
    folder = tmp_path / "run" / ".hydra"
    folder.mkdir(parents=True)
    for name, text in (("overrides", spec.texts.overrides), ("hydra", spec.texts.hydra)):
        Path(folder / f"{name}.yaml").write_text(text)
    values["trainer"]["batchsize"] = 64
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(values)))
    with pytest.raises(ConfigError, match=r"trainer\.batchsize: unknown key.*Did you mean 'batch_size'"):
        open_config(tmp_path / "run", ())
