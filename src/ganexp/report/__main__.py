"""`python -m ganexp.report SWEEP_DIR [SWEEP_DIR ...]`: (re)writes summary.csv, report.html and report.md from files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.files.found import expect_folder
from ganexp.types.endings import FAILED
from ganexp.types.errors import ConfigError
from ganexp.types.terminal import count, plain

if TYPE_CHECKING:
    from ganexp.report.settings import VerdictOptions
    from ganexp.report.study import Study

FIGURES = "For a paper: figures as PDF and PNG, the leaderboard as LaTeX and Markdown, methods; into this folder."
MARGIN = "Settings are as good where they are worse by less, e.g. 5%."
BASELINE = "What the others are to beat: a setting (lr=1e-4)"


def main(
    sweeps: Annotated[list[Path], typer.Argument(help="One sweep, or several together.", metavar="SWEEP_DIR")],
    out: Annotated[Path | None, typer.Option(help="The report's folder; else the sweep's, or the common one.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Recompute the report that is there, and compare.")] = False,
    best: Annotated[bool, typer.Option("--best", help="Print the winning setting, and write it as a preset.")] = False,
    margin: Annotated[str | None, typer.Option(help=MARGIN)] = None,
    baseline: Annotated[str | None, typer.Option(help=f"{BASELINE}, a preset or a sweep directory.")] = None,
    figures: Annotated[Path | None, typer.Option(help=FIGURES, metavar="FOLDER")] = None,
    lang: Annotated[str, typer.Option(help="Language of --figures: en, fr.")] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are not ganexp's own.")] = False,
) -> None:
    """(Re)write the report of sweeps from the files of their runs."""
    from ganexp.report.settings import parse_options
    from ganexp.report.text.verdict import terminal_verdict
    from ganexp.report.write import home, write_sweeps

    with reporting():
        options = parse_options(margin, baseline)
        for sweep in sweeps:
            expect_folder(sweep)
        if verify:
            _verify(sweeps, out or home(sweeps), options)
        elif best:
            _best(sweeps, force)
        elif figures is not None:
            _figures(sweeps, figures, options, lang, force)
        else:
            report = write_sweeps(sweeps, out, options, force=force)
            lines = [
                *_states(report.study),
                *terminal_verdict(report.study, report.rankings, options),
                str(report.page),
            ]
            for line in lines:
                typer.echo(plain(line))


def _states(study: Study) -> list[str]:
    from ganexp.report.summary import FILE

    lines = []
    for sweep in study.sweeps:
        states = Counter(sorted(run.state.value for run in sweep.runs)).most_common()
        counts = ", ".join(f"{number} {state}" for state, number in states)
        lines.append(f"{sweep.directory / FILE}: {len(sweep.runs)} runs ({counts})")
    return lines


def _verify(sweeps: Sequence[Path], folder: Path, options: VerdictOptions) -> None:
    from ganexp.report.verify import differences

    lines = differences(sweeps, folder, options)
    for line in lines:
        typer.echo(plain(line))
    if lines:
        typer.echo(f"{len(lines)} differences between the report in {folder} and the files of its runs")
        raise SystemExit(FAILED)
    typer.echo(f"{folder}: every number is what the runs' files say")


def _figures(sweeps: Sequence[Path], folder: Path, options: VerdictOptions, lang: str, force: bool) -> None:
    from ganexp.report.paper import write_figures
    from ganexp.report.text.phrases import LANGUAGES

    if lang not in LANGUAGES:
        raise ConfigError(f"--lang: expected one of {', '.join(LANGUAGES)}, got {lang!r}")
    names = write_figures(sweeps, folder, options, lang, force=force)
    typer.echo(plain(f"{folder}: {count(len(names), 'file')}: {', '.join(names)}"))


def _best(sweeps: Sequence[Path], force: bool) -> None:
    from ganexp.report.best import winners

    for winner in winners(sweeps, force=force):
        typer.echo(plain(winner.command))
        typer.echo(plain(f"  {winner.words}"), err=True)
        typer.echo(plain(f"  preset: {winner.preset_command}"), err=True)


if __name__ == "__main__":
    start(main)
