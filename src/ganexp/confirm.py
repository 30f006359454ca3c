"""`python -m ganexp.confirm SWEEP_DIR --top K --seeds N`: trains the winners again, on seeds that had no part in it.

The best of many settings looks better than it is: the choice favours whoever was lucky. Here the settings are fixed
before the new seeds are drawn, so what they give is not biased. The runs make a sweep of their own in
SWEEP_DIR/confirm, and the report shows claimed against confirmed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.files.code_record import as_text, read_code
from ganexp.files.data_root import only_own_root
from ganexp.files.foreign import refuse_links
from ganexp.types.errors import ConfigError, DirectoryError
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from ganexp.report.runs import RunRecord
    from ganexp.report.write import Written


@dataclass(frozen=True)
class Retraining:
    """A setting to train again, on seeds that no run of the sweep had."""

    dataset: str  # its name
    name: str  # the setting in short
    overrides: tuple[str, ...]  # of the setting, without the seed
    epochs: int  # passes over the data
    seeds: tuple[int, ...]  # unused ones
    own_code: str = ""  # the code that the setting ran with, as `sweep.own_code` takes it; "" where there is none

    def arguments(self, directory: Path, more: Sequence[str]) -> list[str]:
        """The command line of its sweep, after `python -m ganexp`."""
        from ganexp.sweep.directory import directory_override

        code = [f"sweep.own_code='{self.own_code}'"] if self.own_code else []
        place = [f"seed={','.join(map(str, self.seeds))}", directory_override(directory), "sweep.name=confirm"]
        return ["--multirun", *self.overrides, *place, *code, *more]


def main(
    sweep: Annotated[Path, typer.Argument(help="The sweep.", metavar="SWEEP_DIR")],
    more: Annotated[
        list[str] | None, typer.Argument(help="Further overrides, e.g. hydra/launcher=basic.", metavar="KEY=VALUE")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many of the best settings of each data set.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="How many unused seeds for each.")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands, run nothing.")] = False,
) -> None:
    """Train the winners of a sweep again on unused seeds, then write its report."""
    from ganexp.report.study import CONFIRM
    from ganexp.report.text.sentence import command
    from ganexp.report.write import write_sweeps

    with reporting():
        refuse_links(sweep / CONFIRM)
        for text in more or []:
            if "=" not in text and not text.startswith("~"):
                raise ConfigError(f"expected overrides such as hydra/launcher=basic, got {text!r}")
        parts = [text.lstrip("+").partition("=") for text in more or []]
        named = [Path(value.strip("'\"")) for key, _, value in parts if key == "dataset.root"]
        chosen = winners(sweep, top, seeds)
        failed = False
        for retraining in chosen:
            arguments = retraining.arguments(sweep / CONFIRM, more or [])
            typer.echo(plain(f"{retraining.dataset}: {retraining.name}: seeds {', '.join(map(str, retraining.seeds))}"))
            if dry_run:
                typer.echo(plain("  " + command(arguments)))
                continue
            with only_own_root(*named):
                status = subprocess.run([*_python(), "-m", "ganexp", *arguments], check=False).returncode
            if status not in (0, 1):
                raise SystemExit(status)
            failed = failed or status == 1
        if not dry_run:
            report = write_sweeps([sweep], beside=True)
            typer.echo(plain(report.page))
            for line in _claimed_and_confirmed(report):
                typer.echo(plain(line))
        raise SystemExit(1 if failed else 0)


def _python() -> list[str]:
    """Python, which puts the current folder before all others only where it did so for this process."""
    return [sys.executable] if Path(sys.path[0] or ".").resolve() == Path.cwd() else [sys.executable, "-P"]


def _claimed_and_confirmed(report: Written) -> Iterator[str]:
    from ganexp.report.chapters import confirmed

    for ranking in report.rankings:
        for row in confirmed(report.study, ranking)[0]:
            yield f"{ranking.dataset}: {row.standing.name}: {ranking.objective} {row.words}"


def winners(sweep: Path, top: int, seeds: int) -> list[Retraining]:
    """The `top` best settings of each data set and protocol, and the seeds to train them on; shorter ones first.

    Seeds are those after the largest one that any run of the sweep had, so the same command names the same ones.

    Raises:
        DirectoryError: no setting is ranked.
    """
    from ganexp.report.best import repeatable
    from ganexp.report.ranking import rankings
    from ganexp.report.study import read_study

    study = read_study([sweep])
    first = max((run.seed for run in study.runs), default=-1) + 1
    unused = tuple(range(first, first + seeds))
    chosen = [
        Retraining(ranking.dataset, each.name, repeatable(each.lead), each.lead.epochs, unused, _own_code(each.lead))
        for ranking in rankings(study)
        if ranking.objective is not None
        for each in ranking.ranked[:top]
    ]
    if not chosen:
        raise DirectoryError(f"{sweep}: expected at least one ranked setting to confirm, got none")
    return sorted(chosen, key=lambda retraining: retraining.epochs)


def _own_code(run: RunRecord) -> str:
    code = read_code(run.folder)
    return as_text(code) if code is not None else ""


if __name__ == "__main__":
    start(main)
