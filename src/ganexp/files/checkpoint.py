"""Checkpoints: safetensors files with a digest, so that a damaged one is noticed; no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ganexp.files.atomic import replacing
from ganexp.files.contents import Meta, check
from ganexp.files.foreign import folder_below, open_file
from ganexp.files.weights import sha256_of, with_text
from ganexp.types import Optimizer
from ganexp.types.system import total_memory

FORMAT = 1
JSON = b"json:"  # prefix of bytes that are the JSON of an extra state
HEADER = frozenset({"format", "meta", "digest", "layout"})


class CorruptCheckpointError(Exception):
    """A checkpoint cannot be read or its digest does not match its content."""


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON-able metadata to `path` atomically; makes its folder, but not the parent of that.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    copies = _apart(tensors)
    text = json.dumps(meta)
    header = {"format": str(FORMAT), "meta": text, "digest": _digest(copies, text), "layout": _layout(copies)}
    folder_below(path.parent.parent, path.parent.name)
    try:
        with replacing(path) as temporary:
            safetensors.torch.save_file(copies, temporary, header)
            _put_in_order(temporary)
    except (SafetensorError, OSError) as error:
        raise OSError(f"{path}: cannot be written ({error})") from None


def _put_in_order(path: Path) -> None:
    """Sort the metadata of a file in place, whose order safetensors leaves random: equal content, equal bytes."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(size)
        if len(text) != size:
            raise ValueError(f"header: expected {size} bytes, got {len(text)}")
        file.seek(8)
        file.write(text)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors writes them: on the CPU, in C order, tied ones copied."""
    copies: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        copies[name] = tensor.detach().cpu().contiguous()
        if (place := copies[name].untyped_storage().data_ptr()) in places:
            copies[name] = copies[name].clone()
        places.add(place)
    return copies


def module_state(module: nn.Module) -> dict[str, Tensor]:
    """A network's state dict; the result of `get_extra_state`, where it is no tensor, as JSON in bytes.

    Raises:
        ValueError, TypeError: naming a value that JSON does not restore exactly.
    """
    return {name: _encoded(name, value) for name, value in module.state_dict().items()}


def load_module(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load the result of `module_state` into a network."""
    module.load_state_dict({name: _decoded(name, tensor) for name, tensor in tensors.items()})


def _encoded(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        text = json.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: {error}") from None
    if json.loads(text) != value:
        raise ValueError(f"{name}: JSON gives it back as {text[:80]}")
    return torch.tensor(list(JSON + text.encode()), dtype=torch.uint8)


def _decoded(name: str, tensor: Tensor) -> Any:
    if not name.endswith("_extra_state") or tensor.dtype != torch.uint8 or tensor.dim() != 1:
        return tensor
    content = bytes(tensor.tolist())
    return json.loads(content.removeprefix(JSON)) if content.startswith(JSON) else tensor


def roundtrip(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The result of `save` and then `load`, without a file.

    Raises:
        ValueError: naming a value that cannot be stored, or is not restored exactly.
    """
    loaded: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        try:
            loaded |= safetensors.torch.load(safetensors.torch.save(_apart({name: tensor})))
            same = equal(tensor, loaded[name])
        except Exception as error:
            raise ValueError(f"{name}: {str(error).partition(chr(10))[0][:200]}") from None
        if not same:
            raise ValueError(f"{name}: it comes back otherwise")
    for name, value in meta["scalars"].items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from None
    return loaded, json.loads(json.dumps(meta))


def equal(one: Tensor, other: Tensor) -> bool:
    """Whether type, shape and bits are equal."""
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(_bytes(one), _bytes(other))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors (to the CPU) and metadata that `save` wrote.

    Raises:
        CorruptCheckpointError: the file is damaged, truncated or of another format.
    """
    try:
        _check_size(path)
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # clones: the originals are mapped from the file, and would change with it
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return tensors, _checked_meta(path, tensors, header)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, MemoryError) as error:
        raise CorruptCheckpointError(f"{path}: not a readable checkpoint ({error})") from None


def _check_size(path: Path) -> None:
    """OSError for a link, or a file larger than half of this machine's memory."""
    open_file(path, total_memory() // 2).close()
    if path.parent.is_symlink():
        raise OSError(f"{path.parent} is a link")


def _checked_meta(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> dict[str, Any]:
    if header.get("format") != str(FORMAT):
        raise CorruptCheckpointError(f"{path}: expected checkpoint format {FORMAT}, got {header.get('format')!r}")
    if unknown := header.keys() - HEADER:
        raise CorruptCheckpointError(f"{path}: expected {sorted(HEADER)} in its header, got {sorted(unknown)} too")
    layout = _layout(tensors)  # files of earlier versions do not tell theirs
    if header.get("digest") != _digest(tensors, header.get("meta", "")) or header.get("layout", layout) != layout:
        raise CorruptCheckpointError(f"{path}: the content does not match its digest")
    meta = json.loads(header["meta"])
    check(Meta, meta)
    return dict(meta)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` with `prefix.` before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix.`, without it."""
    start = len(prefix) + 1
    return {name[start:]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def pack_optimizer(prefix: str, optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors and JSON-able scalars (its settings come from the configuration)."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            key = f"{prefix}.{index}.{name}"
            if isinstance(value, Tensor):
                tensors[key] = value
            else:
                scalars[key] = value
    return tensors, scalars


def unpack_optimizer(
    prefix: str, optimizer: Optimizer, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]
) -> None:
    """Load the result of `pack_optimizer` into an optimizer of the same parameters."""
    state: dict[int, dict[str, Any]] = {}
    rest = {name[len(prefix) + 1 :]: value for name, value in scalars.items() if name.startswith(f"{prefix}.")}
    found: dict[str, Any] = {**without_prefix(prefix, tensors), **rest}
    for key, value in found.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names and bytes of a state dict."""
    return sha256_of((name, _bytes(tensors[name]).numpy().data) for name in sorted(tensors))


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    return with_text(weights_sha256(tensors), text)


def _layout(tensors: Mapping[str, Tensor]) -> str:
    """Digest of types and shapes: the same bytes could be read as other numbers."""
    described = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
