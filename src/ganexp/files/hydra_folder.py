"""`.hydra/` of a run directory: the configuration that the run was started with, and the content of its identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganexp.files.atomic import write_json, write_text
from ganexp.files.foreign import SMALL, folder_below, read_json


@dataclass(frozen=True)
class Texts:
    """The files of `.hydra/`, as YAML."""

    config: str
    overrides: str
    hydra: str


def read_identity(directory: Path) -> dict[str, Any] | None:
    """Everything that the run's numbers depend on, as recorded, or None."""
    try:
        value = read_json(directory / ".hydra" / "identity.json", SMALL)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write(directory: Path, texts: Texts, identity: Mapping[str, Any]) -> None:
    """Write the configuration as composed, and the content of the run's identity."""
    folder = folder_below(directory, ".hydra")
    write_json(folder / "identity.json", identity)  # first: it says that the others are ganexp's own
    for name in ("config", "overrides", "hydra"):
        write_text(folder / f"{name}.yaml", getattr(texts, name))


def difference(recorded: Mapping[str, Any], requested: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for each value that differs: 'optim.generator.lr: there 0.0001, asked 0.001'."""
    lines: list[str] = []
    for key in sorted({*recorded, *requested}):
        old, new = recorded.get(key), requested.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += difference(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: there {old!r}, asked {new!r}")
    return lines
