"""Nested mappings: by dotted keys, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
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


def json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as JSON; NaN and infinities, which JSON lacks, become their names."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_jsonable), parse_constant=str)
    return plain


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
