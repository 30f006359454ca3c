"""Nested mappings: by dotted keys, and as JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
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


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Each key -> its last part, with as many parts before it as tell it from the other keys."""
    every = dict.fromkeys(keys)
    ends = {key: [key[match.end() :] for match in re.finditer("^|[./]", key)][::-1] for key in every}
    shared = Counter(end for each in ends.values() for end in each)
    return {key: next((end for end in each if end and shared[end] == 1), key) for key, each in ends.items()}


def json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as JSON; NaN and infinities, which JSON lacks, become their names."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_jsonable), parse_constant=str)
    return plain


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
