"""`python -m ganexp.report SWEEP_DIR [SWEEP_DIR ...]`: (re)writes summary.csv, report.html and report.md from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.types.endings import FAILED
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from ganexp.report.options import Options

MARGIN = "Settings are as good where they are worse by less, e.g. 5%."
BASELINE = "What the others are to beat: a setting (lr=1e-4)"


def main(
    sweeps: Annotated[list[Path], typer.Argument(help="Sweep directories.", metavar="SWEEP_DIR...")],
    out: Annotated[Path | None, typer.Option(help="The report's folder; else the sweep's, or the common one.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Recompute the report that is there, and compare.")] = False,
    best: Annotated[bool, typer.Option("--best", help="Print the winning setting, and write it as a preset.")] = False,
    margin: Annotated[str | None, typer.Option(help=MARGIN)] = None,
    baseline: Annotated[str | None, typer.Option(help=f"{BASELINE}, a preset or a sweep directory.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are not ganexp's own.")] = False,
) -> None:
    """(Re)write the report of sweeps from the files of their runs."""
    from ganexp.report.gather import gather
    from ganexp.report.options import options
    from ganexp.report.summary import FILE, load_summary
    from ganexp.report.verdict import spoken
    from ganexp.report.write import home, write_report

    with reporting():
        wanted = options(margin, baseline)
        for sweep in sweeps:
            if not sweep.is_dir():
                raise DirectoryError(f"{sweep}: expected a sweep directory, got no folder")
        if verify:
            _verify(sweeps, out or home(sweeps), wanted)
        elif best:
            _best(sweeps, force)
        else:
            page = write_report(sweeps, out, wanted, force=force)
            for sweep in sweeps:
                states = load_summary(sweep)["state"]
                counts = ", ".join(f"{n} {state}" for state, n in states.value_counts().items() if n)
                typer.echo(f"{sweep / FILE}: {len(states)} runs ({counts})")
            for line in spoken(gather(sweeps, wanted), wanted):
                typer.echo(plain(line))
            typer.echo(plain(page))


def _verify(sweeps: list[Path], folder: Path, wanted: Options) -> None:
    from ganexp.report.verify import differences

    found = differences(sweeps, folder, wanted)
    for line in found:
        typer.echo(plain(line))
    if found:
        typer.echo(f"{len(found)} differences between the report in {folder} and the files of its runs")
        raise SystemExit(FAILED)
    typer.echo(f"{folder}: every number is what the runs' files say")


def _best(sweeps: list[Path], force: bool) -> None:
    from ganexp.report.best import winners

    for winner in winners(sweeps, force=force):
        typer.echo(plain(winner.command))
        typer.echo(plain(f"  {winner.words}"), err=True)
        typer.echo(plain(f"  preset: {winner.preset_command}"), err=True)


if __name__ == "__main__":
    start(main)
