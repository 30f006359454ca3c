"""Runs that are on disk already, as jobs again: for sampling, scoring and resuming.

The configuration of a run directory may come from a stranger: only what the caller trusts is called, whatever the
configuration itself says of trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ganexp import checkpoint, state
from ganexp.config import RunConfig, load
from ganexp.errors import DirectoryError
from ganexp.job import Job, identify, load_dataset
from ganexp.rundir import Texts, generator_checkpoint, generator_checkpoints, state_checkpoints

if TYPE_CHECKING:
    from torch import Tensor

MAX_CONFIG_BYTES = 1_000_000


def open_config(run: Path, trust: Sequence[str]) -> tuple[RunConfig, Texts]:
    """The typed configuration of a run directory, and its `.hydra` texts.

    Args:
        run: run directory.
        trust: patterns of `_target_` that are trusted beyond ganexp's own.

    Raises:
        DirectoryError: this is no run directory, or its configuration cannot be read.
        ConfigError: its configuration is not valid, or calls something that is not trusted.
    """
    texts = Texts(*(_text(run / ".hydra" / name) for name in ("config.yaml", "overrides.yaml", "hydra.yaml")))
    try:
        cfg = OmegaConf.create(texts.config)
        hydra = OmegaConf.create(texts.hydra)
        if not isinstance(cfg, DictConfig) or not isinstance(hydra, DictConfig):
            raise DirectoryError(f"{run}/.hydra: expected mappings")
        _anchor_root(cfg, str(OmegaConf.select(hydra, "hydra.runtime.cwd") or "."))
    except (OmegaConfBaseException, YAMLError, RecursionError) as error:
        raise DirectoryError(f"{run}/.hydra: not a readable configuration ({error})") from None
    return load(cfg, trust), texts


def open_run(run: Path, trust: Sequence[str]) -> Job:
    """A run directory as a job, its dataset loaded.

    Raises:
        DirectoryError, ConfigError: as `open_config`; the data may raise DataError.
    """
    config, texts = open_config(run, trust)
    return Job(config, load_dataset(config.dataset), identify(config), run, texts, in_sweep=False)


def run_dirs(folder: Path) -> list[Path]:
    """`folder` itself where it is a run directory, else the run directories in it.

    Raises:
        DirectoryError: there are none.
    """
    if state.read(folder) is not None:
        return [folder]
    found = sorted(p.parent for p in folder.glob("*/status.json") if not p.parent.is_symlink())
    if not found:
        raise DirectoryError(f"{folder}: expected a run or sweep directory, found no status.json in it")
    return found


def parse_checkpoint(text: str | None) -> int | None:
    """The epoch in 'epoch=20', or None for the newest generator.

    Raises:
        DirectoryError: another form.
    """
    if text is None:
        return None
    key, _, value = text.partition("=")
    if key != "epoch" or not (value.isdecimal() and len(value) < 10):
        raise DirectoryError(f"--checkpoint: expected 'epoch=<number>', got {text!r}")
    return int(value)


def generator_weights(run: Path, epoch: int | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and metadata of the sampling generator of a run, at `epoch` or the newest there is.

    Raises:
        DirectoryError: there is none, naming the epochs that there are.
    """
    if epoch is None:
        paths = generator_checkpoints(run)
    else:
        paths = [generator_checkpoint(run, epoch)] if generator_checkpoint(run, epoch).exists() else []
    for path in paths:
        try:
            return checkpoint.load(path)
        except checkpoint.CorruptCheckpointError:
            continue
    for path in state_checkpoints(run):
        try:
            tensors, meta = checkpoint.load(path)
        except checkpoint.CorruptCheckpointError:
            continue
        if epoch in (None, meta["epoch"]):
            average = checkpoint.without_prefix("average", tensors)
            return average or checkpoint.without_prefix("generator", tensors), meta
    kept = sorted(int(p.stem.removeprefix("generator_")) for p in generator_checkpoints(run))
    raise DirectoryError(
        f"{run}: expected a generator {'of some epoch' if epoch is None else f'of epoch {epoch}'}, "
        f"found those of epochs {kept}"
    )


def _anchor_root(cfg: DictConfig, folder: str) -> None:
    """Read a relative dataset.root from the folder that the run was started in."""
    root = OmegaConf.select(cfg, "dataset.root")
    if isinstance(root, str) and not Path(root).is_absolute():
        OmegaConf.update(cfg, "dataset.root", str(Path(folder) / root))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise DirectoryError(f"{path}: expected at most {MAX_CONFIG_BYTES} bytes, got {path.stat().st_size}")
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DirectoryError(f"{path}: not readable ({error}); expected a run directory of ganexp") from None
