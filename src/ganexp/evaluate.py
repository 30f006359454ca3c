"""`python -m ganexp.evaluate RUN_DIR`: score finished runs, again or with more metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.types.terminal import plain


def main(
    folder: Annotated[Path, typer.Argument(help="Run directory, or sweep directory: all its finished runs.")],
    metrics: Annotated[str | None, typer.Option(help="Option of the group metrics; the run's own if left out.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the run's last epoch if left out.")] = None,
    num_samples: Annotated[int | None, typer.Option(min=2, help="metrics.num_samples.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an evaluation that is not ganexp's own.")] = False,
    trust: Annotated[list[str] | None, typer.Option(help="Pattern of _target_ to trust, e.g. 'mylab.*'.")] = None,
    changed_code: Annotated[
        str, typer.Option(help="Own code that was edited since: 'refuse', or 'same_run' (a comment, a rename).")
    ] = "refuse",
) -> None:
    """Score runs from their generators, without training.

    Scores of the last epoch go into result.json, those of another epoch into evaluations/epoch_<n>.json.
    """
    from ganexp.__main__ import register
    from ganexp.config.reopen import run_dirs
    from ganexp.files.generator import parse_checkpoint
    from ganexp.trainer.rescore import evaluate

    register()
    with reporting():
        epoch = parse_checkpoint(checkpoint)
        for run in run_dirs(folder):
            scores = evaluate(
                run,
                metrics=metrics,
                epoch=epoch,
                num_samples=num_samples,
                trust=trust or [],
                changed_code=changed_code,
                force=force,
            )
            if scores is None:
                typer.echo(plain(f"{run}: not finished, left alone"))
                continue
            values = "  ".join(f"{name} {value:.4g}" for name, value in scores.values.items())
            typer.echo(plain(f"{run}: {values or 'no metrics'}"))


if __name__ == "__main__":
    start(main)
