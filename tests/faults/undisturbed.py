"""The sweep that disturbed ones are compared with, made once."""

from __future__ import annotations

import time
from functools import cache, partial
from pathlib import Path

from children import ASKED, SMALL, Child, note_writes, run
from compare import content


class Undisturbed:
    """A sweep that nothing happened to.

    Attributes:
        folder: where it ran.
        content: what it left.
        seconds: how long it took.
        writes: how often it changed something in its directory.
        opened: its files that were opened for writing, links included.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, notes = folder, folder / "writes"
        folder.mkdir()
        started = time.monotonic()
        child = Child(folder, data, *ASKED, prepare=partial(note_writes, str(notes), f"{folder}/sweep/"))
        assert child.wait(240) == 0, child.output
        self.seconds = time.monotonic() - started
        self.content = content(folder / "sweep")
        events = [line.split(" ", 1) for line in notes.read_text().splitlines()]
        self.writes = len(events)
        self.opened = [Path(path) for event, path in events if event in ("open", "os.link", "os.truncate")]


@cache
def undisturbed_sweep(data_root: Path) -> Undisturbed:
    """The one for tests that share a data root, beside which it is kept."""
    # which prepares the data
    run(data_root.with_name("first"), data_root, *SMALL, "trainer.epochs=1", "metrics=none", "hydra.run.dir=run")
    return Undisturbed(data_root.with_name("undisturbed"), data_root)
