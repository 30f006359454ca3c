"""A generator's checkpoint as numpy arrays: torch is not imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.files.contents import Meta, check
from ganexp.files.foreign import read_bytes


def read_arrays(path: Path, most: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any], str]:
    """Arrays, metadata and digest of a checkpoint that `ganexp.files.checkpoint.save` wrote, of at most `most` bytes.

    Raises:
        OSError: it is missing, a link, or larger.
        ValueError: it is damaged, or holds numbers that numpy does not have.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = read_bytes(path, most)
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        arrays, text, digest = load(content), header["meta"], header["digest"]
        meta = json.loads(text)
    except (SafetensorError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not a readable checkpoint ({error})") from None
    weights = sha256_of((name, np.ascontiguousarray(arrays[name]).data) for name in sorted(arrays))
    if with_text(weights, text) != digest:
        raise ValueError(f"{path}: the content does not match its digest")
    check(Meta, meta)
    return arrays, dict(meta), str(digest)


def sha256_of(named: Iterable[tuple[str, memoryview]]) -> str:
    """sha256 over names and bytes of weights, sorted by name."""
    digest = hashlib.sha256()
    for name, content in named:
        digest.update(name.encode())
        digest.update(content)
    return digest.hexdigest()


def with_text(weights: str, text: str) -> str:
    """The digest in a checkpoint: over its metadata as `text`, and the digest of its weights."""
    return hashlib.sha256(text.encode() + weights.encode()).hexdigest()
