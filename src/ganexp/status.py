"""`ganexp status SWEEP_DIR`: what runs, what is done, what failed, and how much time is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from ganexp.cli import reporting, start
from ganexp.files.found import PLACES, directories, instead_of
from ganexp.report.screen import counted, screen, show, summary
from ganexp.report.states import progress_of
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import columns, console, reader_gone, say

REFRESH_SECONDS = 2.0


def main(
    directory: Annotated[
        Path | None,
        typer.Argument(help="If left out, a line for each sweep and run here.", metavar="SWEEP_DIR|RUN_DIR"),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until everything is over.")] = False,
) -> None:
    """Show what runs, what is done, what failed, and how much time is left."""
    with reporting():
        if directory is None:
            if watch:
                raise DirectoryError(f"--watch: expected a SWEEP_DIR or RUN_DIR, got none{instead_of(Path())}")
            for line in overview(Path()):
                say(line)
            return
        if not watch:
            show(directory, progress_of(directory))
            return
        try:
            _watch(console(), directory)
        except KeyboardInterrupt:
            return


def overview(top: Path) -> Iterator[str]:
    """A line for each sweep and run in a folder, its outputs/ and its multirun/, the newest first."""
    places = directories(top)
    if not places:
        yield f"no sweep or run here (in {', '.join(PLACES)}); `ganexp` trains one, `ganexp --help` says how"
    rows = []
    for place in places:
        try:
            rows.append((str(place), counted(progress_of(place))))
        except (DirectoryError, OSError) as error:
            rows.append((str(place), f"not readable: {error}"))
    yield from columns(rows)


def _watch(terminal: Console, directory: Path) -> None:
    if not terminal.is_terminal:
        _follow(directory)
        return
    with Live(console=terminal, auto_refresh=False) as live:
        while True:
            runs = progress_of(directory)
            live.update(screen(directory, runs, terminal.width, terminal.height), refresh=True)
            if all(run.state.final for run in runs) or reader_gone():
                return
            time.sleep(REFRESH_SECONDS)


def _follow(directory: Path) -> None:
    """Print a line whenever a state has changed, and every run at the end."""
    before: list[State] = []
    while True:
        runs = progress_of(directory)
        if all(run.state.final for run in runs) or reader_gone():
            show(directory, runs)
            return
        if (states := [run.state for run in runs]) != before:
            say(summary(directory, runs))
        before = states
        time.sleep(REFRESH_SECONDS)


if __name__ == "__main__":
    start(main)
