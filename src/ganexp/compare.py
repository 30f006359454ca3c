"""`python -m ganexp.compare TABLE.csv --objective fid --lower-is-better`: a verdict on any program's results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.types.endings import FAILED
from ganexp.types.errors import ConfigError
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from ganexp.report.settings import VerdictOptions
    from ganexp.report.study import Study


def main(
    table: Annotated[Path, typer.Argument(help="CSV with one row a run.", metavar="TABLE.csv")],
    objective: Annotated[str, typer.Option(help="Column of the values to compare.")],
    lower: Annotated[bool | None, typer.Option("--lower-is-better/--higher-is-better", help="Which is better.")] = None,
    seed: Annotated[str, typer.Option(help="Column of the seed, or number of the repetition.")] = "seed",
    by: Annotated[str, typer.Option(help="Columns that make a setting, with commas; else all others.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the report; else TABLE-verdict beside it.")] = None,
    margin: Annotated[str | None, typer.Option(help="Settings are as good where worse by less, e.g. 5%.")] = None,
    baseline: Annotated[str | None, typer.Option(help="The setting that others are to beat, e.g. lr=1e-4.")] = None,
    dataset: Annotated[str, typer.Option(help="Column of the data set.")] = "",
    cost: Annotated[str, typer.Option(help="Column of the seconds that a run took.")] = "",
    trajectory: Annotated[str, typer.Option(help="Column that is equal for rows of one training.")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Recompute the report that is there, and compare.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are not ganexp's own.")] = False,
) -> None:
    """Write report.html, report.md and figures of a table: which settings win, and whether the win is real."""
    from ganexp.files import owned
    from ganexp.report.page import HTML, MARKDOWN
    from ganexp.report.ranking import rankings
    from ganexp.report.settings import parse_options
    from ganexp.report.table import Columns, read_table
    from ganexp.report.text.verdict import terminal_verdict
    from ganexp.report.write import place

    with reporting():
        if lower is None:
            raise ConfigError("expected --lower-is-better or --higher-is-better, got neither")
        options = parse_options(margin, baseline)
        names = tuple(name.strip() for name in by.split(",") if name.strip())
        direction = "minimise" if lower else "maximise"
        folder = out or table.with_name(f"{table.stem}-verdict")
        study = read_table(table, Columns(objective, direction, seed, names, dataset, cost, trajectory), folder)
        if verify:
            raise SystemExit(_verify(table, study, folder, options))
        results = rankings(study, options)  # what is refused is refused before anything is written
        owned.check(folder, {HTML: None, MARKDOWN: None}, force=force)
        folder.mkdir(parents=True, exist_ok=True)
        report = place(study, results, folder, options, force=force)
        for line in [*terminal_verdict(report.study, results, options), str(report.page)]:
            typer.echo(plain(line))


def _verify(table: Path, study: Study, folder: Path, options: VerdictOptions) -> int:
    """Print what in the report differs from the table; return the exit status."""
    from ganexp.report.page import render
    from ganexp.report.ranking import rankings
    from ganexp.report.verify import changes

    lines = changes(folder, lambda: render(study, rankings(study, options), folder, options))
    for line in lines or [f"{folder}: every number is what {table} says"]:
        typer.echo(plain(line))
    return FAILED if lines else 0


if __name__ == "__main__":
    start(main)
