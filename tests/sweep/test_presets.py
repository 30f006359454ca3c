"""The presets of conf/sweep, and where a sweep goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from ganexp.config.run_config import conf_dir
from ganexp.sweep.compose import Composer
from ganexp.sweep.expand import axes, points, swept_keys
from ganexp.sweep.points import Point, all_points

PRESETS = sorted(path.stem for path in (conf_dir() / "sweep").glob("*.yaml"))


def master(loader: ConfigLoader, *overrides: str) -> DictConfig:
    return loader.load_configuration("config", list(overrides), RunMode.MULTIRUN)


def points_of(loader: ConfigLoader, *overrides: str) -> list[Point]:
    """The points of a command line, as the grid sweeper finds them."""
    cfg = master(loader, *overrides)
    params = [f"{key}={value}" for key, value in (cfg.hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*params, *overrides])
    grid = axes(parsed, [list(keys) for keys in cfg.sweep.zip])
    return all_points(Composer(loader, cfg), list(points(grid)), swept_keys(grid))


def test_the_seeds_grid_is_18_runs_of_6_trajectories(loader: ConfigLoader) -> None:
    grid = points_of(loader, "sweep=seed_grid", "metrics=none")
    assert len({point.run_id for point in grid}) == 18
    assert len({point.trajectory_id for point in grid}) == 6
    settings = {tuple(point.values[k] for k in ("trainer.batch_size", "trainer.epochs", "lr")) for point in grid}
    assert settings == {(b, e, lr) for b in (16, 36, 64) for e in (20, 50, 100) for lr in (1e-4, 1e-5)}


def test_the_command_line_counts_more_than_the_preset(loader: ConfigLoader) -> None:
    grid = points_of(loader, "sweep=seed_grid", "metrics=none", "trainer.epochs=1", "optim.lr=1e-3,1e-2")
    assert len(grid) == 6
    assert {point.epochs for point in grid} == {1}


def test_repeats_over_seeds(loader: ConfigLoader) -> None:
    grid = points_of(loader, "sweep=seeds", "metrics=none")
    assert [point.values["seed"] for point in grid] == [0, 1, 2, 3, 4]


def test_pairs_from_the_command_line(loader: ConfigLoader) -> None:
    pairs = "sweep.zip=[[trainer.batch_size,optim.lr]]"
    grid = points_of(loader, "trainer.batch_size=16,32", "optim.lr=1e-4,2e-4", pairs, "metrics=none", "seed=0,1")
    told = [(point.values["trainer.batch_size"], point.values["lr"], point.values["seed"]) for point in grid]
    assert told == [(16, 1e-4, 0), (16, 1e-4, 1), (32, 2e-4, 0), (32, 2e-4, 1)]


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ((), "digits-grid"),
        (("dataset=mnist", "sweep=seed_grid"), "mnist-seed_grid"),
        (("dataset=mnist,fashion_mnist",), "mixed-grid"),
        (("dataset=choice(mnist)",), "mnist-grid"),
        (("dataset.name=mine",), "mine-grid"),
        (("experiment=seed_mnist",), "mnist-grid"),
        (("experiment=seed_mnist,seed_mnist_as_coded",), "mnist-grid"),
        (("experiment=glob(seed_*)",), "mixed-grid"),
        (("experiment=seed_mnist,seed_cifar10", "dataset=digits"), "digits-grid"),
        (("sweep.name=mine", "optim.lr=1,2"), "digits-mine"),
    ],
    ids=" ".join,
)
def test_the_same_command_means_the_same_place(loader: ConfigLoader, overrides: tuple[str, ...], place: str) -> None:
    assert Path(str(master(loader, *overrides).hydra.sweep.dir)) == Path("multirun") / place


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_composes_under_a_name_of_its_own(loader: ConfigLoader, name: str) -> None:
    assert master(loader, f"sweep={name}").sweep.name == name
