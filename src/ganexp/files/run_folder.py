"""The files of a run directory, and what may be done with one that is already there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganexp.files import state
from ganexp.files.atomic import copy, left_over, write_json, write_text
from ganexp.files.code_record import CodeRecord, write_code
from ganexp.files.foreign import SMALL, folder_below, read_json, refuse_links
from ganexp.types.errors import DirectoryError

FOLDERS = ("", ".hydra", "checkpoints", "samples")
OWN = re.compile(
    r"(status|result)\.json|metrics\.csv|losses\.png|\.hydra/((config|overrides|hydra)\.yaml|(identity|own_code)\.json)"
    r"|samples/(real|interpolation|neighbours|epoch_([0-9]{4}|[1-9][0-9]{4,}))\.png"
    r"|checkpoints/(state_([0-9]{8}|[1-9][0-9]{8,})|generator_([0-9]{4}|[1-9][0-9]{4,}))\.safetensors"
    r"|evaluations/epoch_([0-9]{4}|[1-9][0-9]{4,})\.json"
)
"""What a run writes into its directory by name; everything else there is the user's."""


@dataclass(frozen=True)
class Texts:
    """What `.hydra/` holds, as YAML."""

    config: str
    overrides: str
    hydra: str


def metrics_csv(run: Path) -> Path:
    """metrics.csv of a run directory."""
    return run / "metrics.csv"


def result_json(run: Path) -> Path:
    """result.json of a run directory."""
    return run / "result.json"


def state_checkpoint(run: Path, step: int) -> Path:
    """The full checkpoint after `step` generator steps."""
    return run / "checkpoints" / f"state_{step:08d}.safetensors"


def generator_checkpoint(run: Path, epoch: int) -> Path:
    """The sampling generator after `epoch`."""
    return run / "checkpoints" / f"generator_{epoch:04d}.safetensors"


def samples_png(run: Path, epoch: int) -> Path:
    """The sample grid after `epoch`."""
    return run / "samples" / f"epoch_{epoch:04d}.png"


def state_checkpoints(run: Path) -> list[Path]:
    """All full checkpoints, newest first."""
    return _checkpoints(run, "state_*")


def generator_checkpoints(run: Path) -> list[Path]:
    """All generators, newest first."""
    return _checkpoints(run, "generator_*")


def _checkpoints(run: Path, pattern: str) -> list[Path]:
    """Those of a run itself: nothing that a link leads to, or that has another name than a run gives."""
    return sorted((path for path in _own_files(run, "checkpoints") if path.match(pattern)), reverse=True)


def _own_files(run: Path, place: str) -> list[Path]:
    """The files in a folder of a run directory that have names of its own."""
    folder = run / place
    paths = [] if folder.is_symlink() or not folder.is_dir() else folder.iterdir()
    return [path for path in paths if _is_own(run, path) and path.is_file() and not path.is_symlink()]


def _is_own(run: Path, path: Path) -> bool:
    return OWN.fullmatch(path.relative_to(run).as_posix()) is not None


def refuse_linked(run: Path, *, itself: bool = False) -> None:
    """Refuse to work in a run directory that holds links: what is written, read or removed there lies elsewhere.

    Args:
        run: run directory; it need not exist.
        itself: refuse it also where it is a link itself; a directory that the user names may be one.

    Raises:
        DirectoryError: naming the link.
    """
    if itself:
        refuse_links(run)
    if run.is_dir():
        refuse_links(*sorted(run.iterdir()))


def read_identity(run: Path) -> dict[str, Any] | None:
    """What the run's numbers depend on, as recorded, or None."""
    try:
        value = read_json(run / ".hydra" / "identity.json", SMALL)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def check_unclaimed(run: Path, run_id: str, identity: Mapping[str, Any]) -> None:
    """Refuse a directory that holds another run, or files that no run of ours wrote.

    Raises:
        DirectoryError: with the difference between the two configurations.
    """
    status = state.read(run)
    if status is None:
        foreign = [str(path.relative_to(run)) for place in FOLDERS for path in _own_files(run, place)]
        recorded = read_identity(run)
        if recorded is None and foreign:
            raise DirectoryError(
                f"{run}: expected an empty or a run directory, got one that holds {', '.join(foreign)} but no "
                "readable status.json"
            )
        if recorded is None or recorded == json.loads(json.dumps(identity)):
            return
    elif status.run_id == run_id:
        return
    lines = _difference(read_identity(run) or {}, json.loads(json.dumps(identity)))
    message = f"{run}: holds a run of another configuration; choose another hydra.run.dir"
    raise DirectoryError("\n  ".join([message, *lines]))


def write_record(run: Path, texts: Texts, identity: Mapping[str, Any], code: CodeRecord | None = None) -> None:
    """Write `.hydra/`: the configuration as composed, what the run's identity is made from, and own code if any."""
    folder = folder_below(run, ".hydra")
    write_json(folder / "identity.json", identity)  # first: it tells that the others are ganexp's own
    write_text(folder / "config.yaml", texts.config)
    write_text(folder / "overrides.yaml", texts.overrides)
    write_text(folder / "hydra.yaml", texts.hydra)
    if code is not None:
        write_code(run, code)


def prune_states(run: Path, keep: int, step: int) -> None:
    """Remove all full checkpoints but the newest `keep` up to `step`, which was just written.

    Those of later steps go too: a run that is back at `step` was started from an earlier one because they are damaged.
    """
    kept = [path for path in state_checkpoints(run) if path <= state_checkpoint(run, step)][:keep]
    for path in state_checkpoints(run):
        if path not in kept:
            path.unlink(missing_ok=True)


def left_over_files(run: Path) -> list[Path]:
    """Temporary files in a run directory: of processes that were killed, if nobody works on the run now."""
    places = (*FOLDERS, "evaluations")
    return [path for place in places for path in left_over(run / place, lambda path: _is_own(run, path))]


def drop_left_over(run: Path) -> None:
    """Remove what killed processes left half-written; for whoever holds the run, before writing anything."""
    for path in left_over_files(run):
        path.unlink(missing_ok=True)


def link_samples(source: Path, target: Path, last_epoch: int) -> None:
    """Give `target` the sample pictures of `source` up to `last_epoch`: hard links, or copies where those fail."""
    folder = folder_below(target, "samples")
    for picture in sorted(_own_files(source, "samples")):
        number = picture.stem.removeprefix("epoch_")
        if picture.stem == "real" or (number.isdigit() and int(number) <= last_epoch):
            _link(picture, folder / picture.name)


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        copy(source, target)


def _difference(there: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line per value that differs: 'optim.generator.lr: there 0.0001, asked 0.001'."""
    lines: list[str] = []
    for key in sorted({*there, *asked}):
        old, new = there.get(key), asked.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += _difference(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: there {old!r}, asked {new!r}")
    return lines
