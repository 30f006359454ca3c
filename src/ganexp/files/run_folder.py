"""The directory of one run as an object: the names of its files, reading them, and writing them."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganexp.files import atomic, record, status
from ganexp.files.code_record import CodeRecord, write_code
from ganexp.files.foreign import folder_below, refuse_links
from ganexp.files.lease import STATUS, HeldError, Lease, holder_gone
from ganexp.files.record import Row, Texts
from ganexp.files.status import Status
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError

TRAINED = ("", ".hydra", "checkpoints", "samples")
FOLDERS = (*TRAINED, "evaluations")
OWN = re.compile(
    r"(status|result)\.json|metrics\.csv|losses\.png|\.hydra/((config|overrides|hydra)\.yaml|(identity|own_code)\.json)"
    r"|samples/(real|interpolation|neighbours|epoch_([0-9]{4}|[1-9][0-9]{4,}))\.png"
    r"|checkpoints/(state_([0-9]{8}|[1-9][0-9]{8,})|generator_([0-9]{4}|[1-9][0-9]{4,}))\.safetensors"
    r"|evaluations/epoch_([0-9]{4}|[1-9][0-9]{4,})\.json"
)  # by name, what a run writes into its directory; everything else there is the user's


@dataclass(frozen=True)
class RunFolder:
    """The directory of one run, which need not exist.

    folder = RunFolder(Path("outputs/digits-mlp-non_saturating-1a2b3c4d"))
    folder.state  # State.COMPLETED
    folder.rows()[-1]["d_loss"]
    folder.result()["final"]["cfd"]
    folder.generator_checkpoints()[0]  # the newest
    with folder.lease() as lease:  # the right to write in it
        ...
    """

    path: Path

    @property
    def metrics_csv(self) -> Path:
        """A row for each epoch."""
        return self.path / "metrics.csv"

    @property
    def result_json(self) -> Path:
        """Written at the end."""
        return self.path / "result.json"

    def state_checkpoint(self, step: int) -> Path:
        """The full checkpoint after `step` generator steps."""
        return self.path / "checkpoints" / f"state_{step:08d}.safetensors"

    def generator_checkpoint(self, epoch: int) -> Path:
        """The sampling generator after `epoch`."""
        return self.path / "checkpoints" / f"generator_{epoch:04d}.safetensors"

    def picture(self, name: str) -> Path:
        """A picture in samples/, by its name."""
        return self.path / "samples" / f"{name}.png"

    def samples_png(self, epoch: int) -> Path:
        """The sample grid after `epoch`."""
        return self.picture(f"epoch_{epoch:04d}")

    def sample_grids(self) -> list[Path]:
        """All sample grids."""
        return self._own_files("samples", "epoch_*")

    def state_checkpoints(self) -> list[Path]:
        """All full checkpoints, newest first."""
        return sorted(self._own_files("checkpoints", "state_*"), key=number_in, reverse=True)

    def generator_checkpoints(self) -> list[Path]:
        """All generators, newest first."""
        return sorted(self._own_files("checkpoints", "generator_*"), key=number_in, reverse=True)

    def status(self) -> Status | None:
        """status.json as written, or None where it is missing or unreadable."""
        return status.read(self.path / STATUS)

    def current(self) -> Status | None:
        """The status with STALE for a RUNNING whose holder is gone, and INTERRUPTED for a COMPLETED without result.

        The same command makes a lost or damaged result.json again, from the run's checkpoints.
        """
        written = self.status()
        if written is None:
            return None
        if written.state is State.COMPLETED and self.result() is None:
            error = {"type": "NoResult", "message": "result.json is gone or damaged; the same command makes it again"}
            return replace(written, state=State.INTERRUPTED, error=error)
        gone = written.state is State.RUNNING and holder_gone(self.path, written)
        return replace(written, state=State.STALE) if gone else written

    @property
    def state(self) -> State:
        """The current state; PENDING where nothing has begun."""
        current = self.current()
        return current.state if current is not None else State.PENDING

    def rows(self) -> list[Row]:
        """The rows of metrics.csv; errors are those of `ganexp.files.record.read_metrics`."""
        return record.read_metrics(self.metrics_csv)

    def result(self) -> dict[str, Any] | None:
        """result.json, or None where there is none, or one that no run wrote."""
        return record.read_result(self.result_json)

    def finished_result(self) -> dict[str, Any] | None:
        """result.json of a completed run, or None."""
        return self.result() if (status := self.status()) is not None and status.state is State.COMPLETED else None

    def identity(self) -> dict[str, Any] | None:
        """Everything that the run's numbers depend on, as recorded, or None."""
        return record.read_identity(self.path)

    def lease(self) -> Lease:
        """The right to work on the run; the directory must exist."""
        return Lease(self.path)

    def refuse_links(self, *, itself: bool = False) -> None:
        """Refuse a directory that holds links: files written, read or removed there lie elsewhere.

        `itself`: also where it is a link itself, as a directory that the user names may be.

        Raises:
            DirectoryError: naming the link.
        """
        if itself:
            refuse_links(self.path)
        if self.path.is_dir():
            refuse_links(*sorted(self.path.iterdir()))

    def claim(self, run_id: str, identity: Mapping[str, Any], *, itself: bool = True) -> None:
        """Refuse a directory that holds links (`refuse_links`), another run, or files that no run of ganexp's wrote.

        Raises:
            DirectoryError: with the difference between the two configurations.
        """
        self.refuse_links(itself=itself)
        written, recorded, requested = self.status(), self.identity(), json.loads(json.dumps(identity))
        if written is None:
            others = [str(path.relative_to(self.path)) for place in TRAINED for path in self._own_files(place)]
            if recorded is None and others:
                raise DirectoryError(
                    f"{self.path}: expected an empty or a run directory, got one that holds {', '.join(others)} but "
                    "no readable status.json"
                )
            if recorded is None or recorded == requested:
                return
        elif written.run_id == run_id:
            return
        message = f"{self.path}: holds a run of another configuration; choose another hydra.run.dir"
        raise DirectoryError("\n  ".join([message, *record.difference(recorded or {}, requested)]))

    def write_record(self, texts: Texts, identity: Mapping[str, Any], code: CodeRecord | None = None) -> None:
        """Write `.hydra/`: the composed configuration, the content of the run's identity, and own code if any."""
        record.write_hydra_folder(self.path, texts, identity)
        if code is not None:
            write_code(self.path, code)

    def write_rows(self, rows: Sequence[Row], scores: Sequence[str]) -> None:
        """Write metrics.csv; see `ganexp.files.record.write_metrics`."""
        record.write_metrics(self.metrics_csv, rows, scores)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write result.json atomically."""
        atomic.write_json(self.result_json, result)

    def write_ending(
        self, status: Status, texts: Texts | None = None, identity: Mapping[str, Any] | None = None
    ) -> None:
        """Write state and record of a run that nobody could work on; its finished epochs stay.

        Nothing is written over a finished run, over one that another process holds, or behind a link.
        """
        if self.path.is_symlink():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        written = self.status()
        if written is not None and written.state.final:
            return
        with contextlib.suppress(HeldError, DirectoryError), self.lease() as lease:
            lease.begin(replace(status, epoch=written.epoch if written is not None else 0))
            if texts is not None and identity is not None:
                self.write_record(texts, identity)

    def prune_states(self, count: int, step: int) -> None:
        """Keep only the newest `count` full checkpoints up to `step`: later ones are from before a restart."""
        paths = self.state_checkpoints()
        newest = [path for path in paths if number_in(path) <= step][:count]
        for path in paths:
            if path not in newest:
                path.unlink(missing_ok=True)

    def left_over_files(self) -> list[Path]:
        """Temporary files of killed processes, if nobody works on the run now."""
        return [path for place in FOLDERS for path in atomic.left_over(self.path / place, self._is_own)]

    def drop_left_over(self) -> None:
        """Remove `left_over_files`; for the holder of the run, before it writes."""
        for path in self.left_over_files():
            path.unlink(missing_ok=True)

    def link_samples(self, source: RunFolder, last_epoch: int) -> None:
        """Take the sample pictures of another run up to `last_epoch`: hard links, or copies where those fail."""
        folder = folder_below(self.path, "samples")
        for picture in sorted(source._own_files("samples")):
            number = picture.stem.removeprefix("epoch_")
            if picture.stem == "real" or (number.isdigit() and int(number) <= last_epoch):
                _link(picture, folder / picture.name)

    def _own_files(self, place: str, pattern: str = "*") -> list[Path]:
        """The run's own files in a folder of its directory: no links, and no names that a run does not give."""
        folder = self.path / place
        paths = [] if folder.is_symlink() or not folder.is_dir() else folder.glob(pattern)
        return [path for path in paths if self._is_own(path) and path.is_file() and not path.is_symlink()]

    def _is_own(self, path: Path) -> bool:
        return OWN.fullmatch(path.relative_to(self.path).as_posix()) is not None


def run_folders(directory: Path) -> list[RunFolder]:
    """The run directories in a folder, sorted by name, without links."""
    paths = sorted(path.parent for path in directory.glob(f"*/{STATUS}"))
    return [RunFolder(path) for path in paths if not path.is_symlink()]


def number_in(path: Path) -> int:
    """The step or epoch in the name of a checkpoint or picture: 20 of epoch_0020.png."""
    return int(path.stem.rpartition("_")[2])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except (OSError, AttributeError):  # Android has no links
        atomic.copy(source, target)
