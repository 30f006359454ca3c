"""Warnings about single runs, each with the number that raised it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganexp.report.collect import Run
from ganexp.types.endings import State

COLLAPSE = 0.25
"""Recall under this share of its floor."""

OVERPOWERING = 0.05
"""Mean D on generated images under this, with held-out real images above 0.5."""

REMEMBERED = 0.3
"""Mean D on training images this far above held-out ones."""

MEMORIZATION = 0.1
"""Share of samples nearer to the training data than real images are."""


@dataclass(frozen=True)
class Flag:
    """One warning.

    Attributes:
        kind: "collapse", "overpowering discriminator", "discriminator overfits", "memorization", "diverged", "failed",
            "own code".
        run: whose.
        number: what raised it, or None for a run that ended badly.
        words: the whole sentence after the number's name.
    """

    kind: str
    run: Run
    number: float | None
    words: str


def flags(runs: Sequence[Run]) -> list[Flag]:
    """Every warning, run by run."""
    return [flag for run in runs for flag in _flags(run)]


def _flags(run: Run) -> list[Flag]:
    if run.state in (State.DIVERGED, State.FAILED):
        return [Flag(str(run.state).lower(), run, None, f"after {run.done} of {run.epochs} epochs: {run.error}")]
    found = [Flag("own code", run, None, run.note)] if run.note else []
    recall, floor = run.value("recall"), run.floors.get("recall")
    if recall is not None and floor and recall < COLLAPSE * floor:
        found.append(Flag("collapse", run, recall, f"recall {recall:.3g}, real against real {floor:.3g}"))
    generated, heldout, real = (run.value(name) for name in ("d_generated", "d_heldout", "d_real"))
    if generated is not None and heldout is not None and generated < OVERPOWERING and heldout > 0.5:
        words = f"mean D {generated:.3g} on generated images, {heldout:.3g} on held-out ones"
        found.append(Flag("overpowering discriminator", run, generated, words))
    if real is not None and heldout is not None and real - heldout > REMEMBERED:
        words = f"mean D {real:.3g} on training images, {heldout:.3g} on held-out ones"
        found.append(Flag("discriminator overfits", run, real - heldout, words))
    copied = run.value("memorization")
    if copied is not None and copied > MEMORIZATION:
        found.append(Flag("memorization", run, copied, f"memorization {copied:.3g}, real images 0"))
    return found
