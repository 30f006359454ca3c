"""What goes wrong in a run that goes on all the same, in words for its user, with what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganexp.files.record import Row
from ganexp.metrics import words

if TYPE_CHECKING:
    from ganexp.trainer.hooks import Session

MOST_LOSS = 1e8  # mean losses of an epoch beyond it are no numbers of a game any more: the run is DIVERGED
ABSURD = 1e4  # beyond it, a loss says so
SURE = 0.999  # the discriminator's mean probability of being right from which on it wins outright
EPOCHS = 2  # in a row that it must be so sure

HELPS = "try the same command with penalty=r1 (Mescheder et al. 2018)"


def trouble_of(
    rows: Sequence[Row], floors: Mapping[str, float], measured: Mapping[str, Any], *, probabilistic: bool
) -> str:
    """The trouble at the last of `rows`; "": none.

    `floors`, `measured`: of the metrics in the row, as in `ganexp.metrics.words.word`; empty where it has none.
    """
    row = rows[-1]
    losses = {name: value for name in ("d_loss", "g_loss") if (value := row.get(name)) is not None}
    values = {name: value for name, value in row.items() if value is not None}
    if absurd := [f"{name} is {value:.3g}" for name, value in losses.items() if abs(value) > ABSURD]:
        return f"{' and '.join(absurd)}: the losses run away; {HELPS}"
    if floors and words.first_word(values, floors, measured) == words.COLLAPSED:
        shares = f"recall is {values['recall']:.3g}, that of real images {floors['recall']:.3g}"
        return f"the generator makes {words.COLLAPSED} ({shares}); {HELPS}"
    sure = [_wins(each) for each in rows[-EPOCHS:]]
    if probabilistic and len(sure) == EPOCHS and all(sure):
        return f"the discriminator is right about more than {SURE:.1%} of all images, and teaches nothing; {HELPS}"
    return ""


def say_trouble(session: Session, row: Row) -> None:
    """Say the trouble at the epoch of `row`, the last one, where it is another than before; what is over too."""
    evaluator = session.evaluator
    scored = evaluator is not None and any(row.get(name) is not None for name in evaluator.metrics)
    floors, measured = (evaluator.floors, session.measured) if scored and evaluator is not None else ({}, {})
    probabilistic = session.spec.config.loss.build().probabilistic
    trouble = trouble_of(session.training.history, floors, measured, probabilistic=probabilistic)
    if trouble != session.trouble and (trouble or scored or evaluator is None):
        session.trouble = trouble
        session.progress.note(f"trouble: {trouble}" if trouble else "the trouble is over")
        session.lease.update(trouble=trouble)


def _wins(row: Row) -> bool:
    real, fake = row.get("d_real"), row.get("d_fake")
    return real is not None and fake is not None and real > SURE and fake < 1 - SURE
