"""Runs that are on disk already, for sampling, scoring and resuming.

The configuration of a run directory may come from a stranger: only functions that the caller trusts are called,
whatever the configuration itself says of trust.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ganexp.config import recorded
from ganexp.config.run_config import RunConfig, load
from ganexp.config.run_spec import RunSpec, identify, load_dataset
from ganexp.config.target import is_trusted
from ganexp.files import plan
from ganexp.files.data_root import only_own_root
from ganexp.files.foreign import SMALL, read_text
from ganexp.files.found import expect_folder, instead_of
from ganexp.files.record import Texts
from ganexp.files.run_folder import RunFolder, run_folders
from ganexp.types.errors import ConfigError, DirectoryError

# They write in the run directory alone; others send data to an address in their configuration.
LOCAL_LOGGERS = ("ganexp.logger.csv", "ganexp.logger.tensorboard")


def open_config(run: Path, trust: Sequence[str]) -> tuple[RunConfig, Texts]:
    """The typed configuration of a run directory, and its `.hydra` texts.

    Raises:
        DirectoryError: this is no run directory, it holds links, or its configuration cannot be read.
        ConfigError: its configuration is not valid, or calls something that is not trusted.
    """
    expect_folder(run)
    if not any(os.path.lexists(run / name) for name in ("status.json", ".hydra")):
        raise DirectoryError(f"{run}: expected a run directory, found no status.json in it{instead_of(run)}")
    RunFolder(run).refuse_links()
    files = [run / ".hydra" / name for name in ("config.yaml", "overrides.yaml", "hydra.yaml")]
    texts = Texts(*map(_text, files))
    cfg = recorded.configuration(texts.config, files[0], trust)
    recorded.overrides(texts.overrides, files[1])
    _anchor_places(cfg, recorded.working_directory(texts.hydra, files[2]))
    try:
        return load(cfg, trust), texts
    except RecursionError:
        raise DirectoryError(f"{files[0]}: not a readable configuration (interpolations go in circles)") from None


def open_run(run: Path, trust: Sequence[str]) -> RunSpec:
    """A run directory as a spec, its dataset loaded. A data root that the run alone names is read, never written to.

    Raises:
        DirectoryError, ConfigError: as `open_config`; the data may raise DataError.
    """
    config, texts = open_config(run, trust)
    began = (RunFolder(run).identity() or {}).get("init_from")
    with only_own_root():
        identity = identify(config, began if isinstance(began, str) else None)
        return RunSpec(config, load_dataset(config.dataset), identity, run, texts, in_sweep=False)


def open_to_work(run: Path, trust: Sequence[str]) -> RunSpec:
    """`open_run` for continuing a run, which logs, and writes the shorter runs of a sweep beside it.

    Raises:
        DirectoryError, ConfigError, DataError: as `open_run`; or its logger is not trusted.
    """
    spec = open_run(run, trust)
    logger = spec.config.logger.path
    if logger not in LOCAL_LOGGERS and not is_trusted(logger, trust):
        raise ConfigError(
            f"logger._target_: expected one that writes in the run directory alone, got {logger!r}, which sends to "
            f"{dict(spec.config.logger.params)}; if you trust that, say so: 'trust=[{logger}]'"
        )
    if (run.absolute().parent / plan.FILE).exists():
        return spec
    return replace(spec, config=replace(spec.config, sweep=replace(spec.config.sweep, read_off=[])))


def run_dirs(folder: Path) -> list[Path]:
    """`folder` itself where it is a run directory, else the run directories in it.

    Raises:
        DirectoryError: there are none.
    """
    expect_folder(folder)
    if RunFolder(folder).status() is not None:
        return [folder]
    runs = [run.path for run in run_folders(folder)]
    if not runs:
        raise DirectoryError(
            f"{folder}: expected a run or sweep directory, found no status.json in it{instead_of(folder)}"
        )
    return runs


def _anchor_places(cfg: DictConfig, folder: str) -> None:
    """Read a relative dataset.root or trainer.init_from from the folder that the run was started in."""
    for key in ("dataset.root", "trainer.init_from"):
        place = OmegaConf.select(cfg, key)
        if isinstance(place, str) and not (place.startswith("~") or Path(place).is_absolute()):
            OmegaConf.update(cfg, key, recorded.literal(str(Path(folder) / place)))


def _text(path: Path) -> str:
    try:
        return read_text(path, SMALL)
    except (OSError, ValueError) as error:
        raise DirectoryError(f"{path}: not readable ({error}); expected a run directory of ganexp") from None
