from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from ganexp.__main__ import register
from ganexp.config.run_config import conf_dir
from ganexp.sweep.compose import Composer
from ganexp.sweep.points import Point, all_points


@pytest.fixture(scope="module")
def loader(data_root: Path) -> Iterator[ConfigLoader]:
    """Hydra's loader, as a sweeper gets it."""
    register()
    GlobalHydra.instance().clear()
    with pytest.MonkeyPatch.context() as patch, initialize_config_dir(str(conf_dir())):
        patch.setenv("GANEXP_DATA", str(data_root))
        yield GlobalHydra.instance().config_loader()


@pytest.fixture
def composer(loader: ConfigLoader) -> Composer:
    """A composer for the default configuration."""
    return Composer(loader, loader.load_configuration("config", [], RunMode.MULTIRUN))


@pytest.fixture
def make_points(composer: Composer) -> Callable[..., list[Point]]:
    """Overrides of each point -> points, of a small dataset and without metrics."""

    def make(*grid: tuple[str, ...], keys: tuple[str, ...] = (), skip_refused: bool = False) -> list[Point]:
        small = ("dataset.num_images=48", "metrics=none")
        return all_points(composer, [(*small, *overrides) for overrides in grid], keys, skip_refused=skip_refused)

    return make
