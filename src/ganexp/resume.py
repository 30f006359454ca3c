"""`python -m ganexp.resume RUN_DIR`: go on with an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganexp.cli import ChangedCode, Trust, reporting, start, with_options


def main(
    run_dir: Annotated[Path, typer.Argument(help="An interrupted (or failed) run.", metavar="RUN_DIR")],
    retry: Annotated[bool, typer.Option("--retry", help="Also where it failed or diverged.")] = False,
    trust: Trust = None,
    changed_code: ChangedCode = "refuse",
) -> None:
    """Go on with an interrupted run; a finished one is only read."""
    from dataclasses import replace

    from ganexp.config.own_code import with_answer
    from ganexp.config.reopen import open_to_work
    from ganexp.task import run_single

    with reporting(options=True):
        spec = open_to_work(run_dir, trust or [])
        spec = replace(spec, config=with_answer(spec.config, changed_code))
        if retry:
            spec = replace(spec, config=replace(spec.config, sweep=replace(spec.config.sweep, retry="failed")))
        run_single(spec, with_options)


if __name__ == "__main__":
    start(main)
