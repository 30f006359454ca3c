"""`python -m ganexp.status DIR`: what runs, what is done, what failed, and how much time is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from ganexp.cli import reporting, start
from ganexp.report.states import progress_of, render, show
from ganexp.types.terminal import console, reader_gone

REFRESH_SECONDS = 2.0


def main(
    directory: Annotated[Path, typer.Argument(help="A sweep directory, or a run directory.", metavar="DIR")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until everything is over.")] = False,
) -> None:
    """Show what runs, what is done, what failed, and how much time is left."""
    with reporting():
        if not watch:
            show(directory, progress_of(directory))
            return
        try:
            _watch(console(), directory)
        except KeyboardInterrupt:
            return


def _watch(screen: Console, directory: Path) -> None:
    rows = max(5, screen.height - 8)
    with Live(console=screen, auto_refresh=False) as live:
        while True:
            runs = progress_of(directory)
            live.update(render(directory, runs, rows), refresh=True)
            if all(run.state.final for run in runs) or reader_gone():
                return
            time.sleep(REFRESH_SECONDS)


if __name__ == "__main__":
    start(main)
