"""Nested mappings by dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dotted(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted key -> value; lists and empty mappings count as values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
