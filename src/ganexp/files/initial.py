"""The weights that a training starts from (`trainer.init_from`): those of another finished run, and a copy of them.

Of the other run only its state and its checkpoints are read, never its configuration: nothing of it is run.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ganexp.files import checkpoint
from ganexp.files.checkpoint import CorruptCheckpointError
from ganexp.files.data_root import expanded
from ganexp.files.found import instead_of
from ganexp.files.generator import generator_weights
from ganexp.files.run_folder import RunFolder
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError, DirectoryError

log = logging.getLogger("ganexp")

NETWORKS = ("generator", "discriminator", "average")  # prefixes of tensors


@dataclass(frozen=True)
class Initial:
    """Weights to start from."""

    source: Path
    tensors: Mapping[str, Tensor]  # by the prefix of their network; a run may have kept its generator alone
    sha256: str  # of their names and bytes


def initial_weights(source: str, cache_dir: Path) -> Initial:
    """The networks at the end of the finished run in `source`; a copy is kept below `cache_dir`.

    The newest full checkpoint; where that is gone or damaged, or the run is gone, the copy; else its generator alone.

    Raises:
        ConfigError: neither a finished run nor a copy of its weights.
    """
    path = Path(os.path.abspath(expanded("trainer.init_from", Path(source))))  # noqa: PTH100  (links stay)
    states = RunFolder(path).state_checkpoints()
    return _read(path, cache_dir / "init", (states[0].name, states[0].stat().st_mtime_ns) if states else None)


@functools.lru_cache(maxsize=8)
def _read(path: Path, folder: Path, newest: tuple[str, int] | None) -> Initial:
    kept = folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.safetensors"
    status = RunFolder(path).status()
    if status is not None:
        _expect_run(path)
    tensors = _networks(RunFolder(path).state_checkpoints()[0]) if status is not None and newest is not None else {}
    if not tensors and (tensors := _of_copy(kept, None if status is None else status.run_id)):
        log.warning("trainer.init_from: %s holds no full checkpoint now; its weights are read from %s", path, kept)
        return Initial(path, tensors, checkpoint.weights_sha256(tensors))
    if not tensors:
        tensors = _generator_alone(path, newest)
    digest = checkpoint.weights_sha256(tensors)
    try:
        if checkpoint.weights_sha256(_of_copy(kept, None)) != digest:
            folder.mkdir(exist_ok=True)
            checkpoint.save(kept, tensors, {"step": 0, "scalars": {"run_id": status.run_id if status else ""}})
    except OSError as error:
        log.warning("trainer.init_from: no copy is kept of the weights of %s (%s)", path, error)
    return Initial(path, tensors, digest)


def _networks(state: Path) -> dict[str, Tensor]:
    """The networks in a full checkpoint; {} where it is damaged."""
    try:
        tensors, _ = checkpoint.load(state)
    except CorruptCheckpointError as error:
        log.warning("%s", error)
        return {}
    return {name: tensor for name, tensor in tensors.items() if name.partition(".")[0] in NETWORKS}


def _of_copy(kept: Path, run_id: str | None) -> dict[str, Tensor]:
    """The weights in a copy, if it is one of that run (None: of any); {} where there is none, or it is damaged."""
    if not kept.exists():
        return {}
    try:
        tensors, meta = checkpoint.load(kept)
    except CorruptCheckpointError as error:
        log.warning("%s", error)
        return {}
    return tensors if run_id in (None, meta["scalars"]["run_id"]) else {}


def _generator_alone(path: Path, newest: tuple[str, int] | None) -> dict[str, Tensor]:
    _expect_run(path)
    if newest is not None:
        raise ConfigError(
            f"trainer.init_from: expected a checkpoint that can be read, got {path}/checkpoints/{newest[0]}"
        )
    try:
        tensors = checkpoint.prefixed("generator", generator_weights(path, None)[0])
    except DirectoryError as error:
        raise ConfigError(f"trainer.init_from: {error}") from None
    log.warning("trainer.init_from: %s kept its generator alone; the discriminator starts anew", path)
    return tensors


def _expect_run(path: Path) -> None:
    """ConfigError where there is no finished run, or one whose directory holds links."""
    status = RunFolder(path).status()
    if status is None:
        got = "a folder without status.json" if path.is_dir() else "no such folder, and no copy of its weights"
        raise ConfigError(
            f"trainer.init_from: expected the directory of a finished run, got {path}: {got}{instead_of(path)}"
        )
    try:
        RunFolder(path).refuse_links()
    except DirectoryError as error:
        raise ConfigError(f"trainer.init_from: {error}") from None
    if status.state is not State.COMPLETED:
        raise ConfigError(
            f"trainer.init_from: expected a finished run, got {path}, which is {status.state.value}; the same command "
            "that started it goes on with it"
        )
