"""The weights of a run's generator at the epoch that `--checkpoint` names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ganexp.files import checkpoint
from ganexp.files.record import Row
from ganexp.files.run_folder import RunFolder, number_in
from ganexp.types.errors import DirectoryError


def parse_checkpoint(text: str | None) -> int | None:
    """The epoch in 'epoch=20', or None for the newest generator.

    Raises:
        DirectoryError: another form.
    """
    if text is None:
        return None
    key, _, value = text.partition("=")
    if key != "epoch" or not (value.isascii() and value.isdigit() and len(value) < 10):
        raise DirectoryError(f"--checkpoint: expected 'epoch=<number>', got {text!r}")
    return int(value)


def generator_weights(run: Path, epoch: int | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and metadata of the sampling generator of a run, at `epoch` or the newest there is.

    Where the file of that epoch's generator is damaged, the full checkpoint of the same epoch replaces it, never
    another epoch.

    Raises:
        DirectoryError: there is none, naming the epochs that there are, and what is damaged.
    """
    folder = RunFolder(run)
    paths = {number_in(path): path for path in folder.generator_checkpoints()}
    wanted = max(paths, default=None) if epoch is None else epoch
    damaged: list[str] = []
    for path in [*([paths[wanted]] if wanted in paths else []), *folder.state_checkpoints()]:
        try:
            weights, meta = weights_in(path)
        except checkpoint.CorruptCheckpointError as error:
            damaged.append(str(error))
            continue
        if path in paths.values() or wanted in (None, meta.get("epoch")):
            return weights, meta
    expected = "of some epoch" if wanted is None else f"of epoch {wanted}"
    message = f"{run}: expected a generator {expected}, found those of epochs {sorted(paths)}"
    raise DirectoryError("\n  ".join([message, *damaged]))


def kept_generators(folder: RunFolder, rows: Sequence[Row]) -> dict[int, Path]:
    """Epoch -> the file that has the sampling generator after it, of the epochs in `rows`."""
    epochs = {int(row["step"] or 0): int(row["epoch"] or 0) for row in rows}
    states = {epochs[number_in(path)]: path for path in folder.state_checkpoints() if number_in(path) in epochs}
    generators = {number_in(path): path for path in folder.generator_checkpoints()}
    return {epoch: path for epoch, path in {**states, **generators}.items() if epoch in epochs.values()}


def weights_in(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of the sampling generator, and metadata, in either kind of checkpoint.

    Raises:
        CorruptCheckpointError: the file is damaged.
    """
    tensors, meta = checkpoint.load(path)
    if path.name.startswith("generator_"):
        return tensors, meta
    return checkpoint.without_prefix("average", tensors) or checkpoint.without_prefix("generator", tensors), meta


def load_generator(generator: nn.Module, path: Path) -> nn.Module:
    """Load the sampling generator of a checkpoint of either kind into `generator`; returns it in eval mode.

    Raises:
        CorruptCheckpointError: the file is damaged.
    """
    checkpoint.load_module(generator, weights_in(path)[0])
    return generator.eval()


def load_weights(generator: nn.Module, weights: dict[str, Tensor], run: Path) -> None:
    """Load the weights of a checkpoint of `run` into a generator.

    Raises:
        DirectoryError: they are of another network.
    """
    try:
        checkpoint.load_module(generator, weights)
    except RuntimeError as error:
        raise DirectoryError(f"{run}: the checkpoint is of another network ({error})") from None
