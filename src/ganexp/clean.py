"""`python -m ganexp.clean SWEEP_DIR`: drops checkpoints that nothing needs any more, and says how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.files import owned
from ganexp.files.run_folder import RunFolder
from ganexp.report.states import progress_of
from ganexp.types.endings import State
from ganexp.types.terminal import in_units, plain


@dataclass(frozen=True)
class Cleaning:
    """What can be removed."""

    files: dict[Path, int]  # path -> size in bytes
    kept_for: tuple[str, ...]  # unfinished runs that may start from checkpoints that stay

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(self.files.values())


def plan_cleaning(directory: Path) -> Cleaning:
    """What nothing needs any more in a sweep or run directory.

    Full training states of completed runs go once every run of their trajectory is completed: a run that is still to be
    trained may start from them. Generators, from which images are drawn and scored, stay.

    Raises:
        DirectoryError: there is neither a plan nor a run.
    """
    runs = progress_of(directory)
    files = _sizes(owned.left_over_files(directory))
    single = (directory / "status.json").exists()
    unfinished = {run.trajectory_id: run.name for run in runs if run.state is not State.COMPLETED}
    kept: set[str] = set()
    for run in runs:
        folder = directory if single else directory / run.name
        if run.state is State.RUNNING or folder.is_symlink():
            continue
        files |= _sizes(RunFolder(folder).left_over_files())
        if run.state is State.COMPLETED:
            states = _sizes(RunFolder(folder).state_checkpoints())
            if run.trajectory_id not in unfinished:
                files |= states
            elif states:
                kept.add(unfinished[run.trajectory_id])
    return Cleaning(files, tuple(sorted(kept)))


def clean(directory: Path) -> Cleaning:
    """Remove what `plan_cleaning` finds."""
    plan_cleaning(directory)  # refuses before anything is removed
    dropped = owned.drop_left_over(directory)
    in_use = owned.left_over_files(directory)
    cleaning = plan_cleaning(directory)
    files = {path: size for path, size in cleaning.files.items() if path not in in_use}
    for path in files:
        path.unlink(missing_ok=True)
    return Cleaning({**files, **dropped}, cleaning.kept_for)


def main(
    directory: Annotated[Path, typer.Argument(help="What to clean.", metavar="SWEEP_DIR|RUN_DIR")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Drop checkpoints that nothing needs any more.

    Sampling and evaluating go on working. A longer run that is asked for later starts from the beginning.
    """
    with reporting():
        cleaning = plan_cleaning(directory) if dry_run else clean(directory)
        verb = "would drop" if dry_run else "dropped"
        typer.echo(plain(f"{directory}: {verb} {len(cleaning.files)} files, {in_units(cleaning.size)}"))
        if cleaning.kept_for:
            typer.echo(plain(f"kept what unfinished runs may start from: {', '.join(cleaning.kept_for)}"))


def _sizes(paths: Iterable[Path]) -> dict[Path, int]:
    return {path: path.lstat().st_size for path in paths}


if __name__ == "__main__":
    start(main)
