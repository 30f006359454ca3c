"""`python -m ganexp.evaluate RUN_DIR`: score finished runs, again or with more metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import ChangedCode, Trust, reporting, start, stop, with_options
from ganexp.types.endings import FAILED, INTERRUPTED, ending
from ganexp.types.system import cores
from ganexp.types.terminal import count, duration, plain, say

if TYPE_CHECKING:
    from ganexp.trainer.rescore import Asked

LEFT_ALONE = "not finished, left alone"
DONE = "scored already"
STOPPED = "stopped; what is scored stays, and the same command scores the rest"


# What became of a run of a sweep: how it is counted, words for the user, seconds that scoring took.
Answer = tuple[str, str, float]


def main(
    folder: Annotated[
        Path, typer.Argument(help="A run, or all finished ones of a sweep.", metavar="SWEEP_DIR|RUN_DIR")
    ],
    metrics: Annotated[str | None, typer.Option(help="Option of the group metrics; the run's own if left out.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the run's last epoch if left out.")] = None,
    num_samples: Annotated[int | None, typer.Option(min=2, help="metrics.num_samples.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an evaluation that is not ganexp's own.")] = False,
    trust: Trust = None,
    changed_code: ChangedCode = "refuse",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs of a sweep scored at once; as many as cores or GPUs if left out.")
    ] = None,
) -> None:
    """Score runs from their generators, without training.

    Scores of the last epoch go into result.json, those of another epoch into evaluations/epoch_<n>.json. Where the
    values of a run were made by another protocol, its metrics.csv is scored anew at every epoch whose generator is
    kept, and emptied at the others. In a sweep directory, runs that are scored already are passed over.
    """
    from ganexp.__main__ import register
    from ganexp.config.reopen import run_dirs
    from ganexp.files.generator import parse_checkpoint
    from ganexp.trainer.rescore import Asked

    register()
    try:
        with reporting(options=True):
            runs = run_dirs(folder)
            alone = runs == [folder]
            epoch = parse_checkpoint(checkpoint)
            asked = Asked(metrics, epoch, num_samples, trust or (), force, changed_code, again=alone)
            failed = _alone(folder, asked) if alone else _sweep(runs, asked, jobs)
    except KeyboardInterrupt:
        stop(STOPPED, INTERRUPTED)
    raise SystemExit(FAILED if failed else 0)


def _alone(run: Path, asked: Asked) -> int:
    """Score one run in this process; returns how many failed, none: an error ends the process."""
    from ganexp.metrics.words import first_word
    from ganexp.trainer.rescore import rescore

    scores, _ = rescore(run, asked)
    said = None if scores is None else first_word(scores.values, scores.floors, scores.provenance)
    line = LEFT_ALONE if scores is None else _line(scores.values)
    say(f"{run}: {line}: {said}" if said else f"{run}: {line}")
    return 0


def _line(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items()) or "no metrics"


def _sweep(runs: Sequence[Path], asked: Asked, jobs: int | None) -> int:
    """Score the runs of a sweep in processes of their own, each said as it ends; returns how many failed."""
    from ganexp.sweep.launchers.launcher import environments, visible_gpus
    from ganexp.sweep.launchers.workers import Workers
    from ganexp.trainer.rescore import compose_metrics

    if asked.metrics is not None:
        compose_metrics(asked.metrics)  # refuses an unknown option
    most = min(len(runs), jobs or len(visible_gpus("auto")) or cores())
    say(f"{count(len(runs), 'run')}, {most} at once")
    began, counts, spent = time.monotonic(), Counter[str](), 0.0
    with closing(Workers(_scored, environments(most, 1, "auto")).run((run, asked) for run in runs)) as answers:
        for number, (kind, words, seconds) in _understood(answers):
            counts[kind] += 1
            spent += seconds
            left, scored = len(runs) - counts.total(), counts["scored"]
            about = f", about {duration(spent / scored * left / most)} left" if scored and left else ""
            line = f"{runs[number]}: {words} ({counts.total()} of {len(runs)}{about})"
            typer.echo(plain(line), err=kind == "failed")
    kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    say(f"{count(len(runs), 'run')} in {duration(time.monotonic() - began)}: {kinds}")
    return counts["failed"]


def _understood(answers: Iterator[tuple[int, object]]) -> Iterator[tuple[int, Answer]]:
    """The answers of workers; an exception is that of a worker that died, or of code that is wrong."""
    for number, answer in answers:
        if isinstance(answer, KeyboardInterrupt):
            raise answer
        yield number, answer if isinstance(answer, tuple) else ("failed", f"{type(answer).__name__}: {answer}", 0.0)


def _scored(run: Path, asked: Asked) -> Answer:
    """Score one run, in a worker."""
    from ganexp.__main__ import register
    from ganexp.trainer.rescore import HeldElsewhereError, rescore

    register()
    began = time.monotonic()
    try:
        scores, there = rescore(run, asked)
    except HeldElsewhereError as error:
        return "held by others", f"passed over: {error}", 0.0
    except Exception as error:
        return "failed", with_options(f"{type(error).__name__}: {ending(error).message}"), 0.0
    if scores is None:
        return "not finished", LEFT_ALONE, 0.0
    values = _line(scores.values)
    return (DONE, f"{DONE}: {values}", 0.0) if there else ("scored", values, time.monotonic() - began)


if __name__ == "__main__":
    start(main)
