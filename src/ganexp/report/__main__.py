"""`python -m ganexp.report SWEEP_DIR [SWEEP_DIR ...]`: (re)writes summary.csv from the files of the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganexp.cli import reporting


def main(
    sweeps: Annotated[list[Path], typer.Argument(help="Sweep directories.", metavar="SWEEP_DIR...")],
) -> None:
    """(Re)write summary.csv of sweeps from the files of their runs."""
    from ganexp.report.summary import FILE, write_summary

    with reporting():
        for sweep in sweeps:
            table = write_summary(sweep)
            counts = ", ".join(f"{count} {state}" for state, count in table["state"].value_counts().items() if count)
            typer.echo(f"{sweep / FILE}: {len(table)} runs ({counts})")


if __name__ == "__main__":
    typer.run(main)
