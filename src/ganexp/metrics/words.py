"""What values mean, in words: one word for a generator, from its distance in floors and recall's share of its floor.

The bounds were set by eye on ladders from noise to real images of four data sets (analysis/metrics/README.md). They
hold for protocol 2, and for cfd and rfd alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganexp.files.record import reported, version_of

VERSION = 2  # of the protocol whose values the bounds are for

REAL = "as real images"
NEAR = "near real"
READABLE = "readable"
COLLAPSED = "a few shapes over and over"
NOISE = "noise"
BAD = (COLLAPSED, NOISE)  # no setting of which these are said is praised

OBJECTIVES = ("cfd", "rfd")  # what there are words for
COUNT = 5_000  # images: the floor falls as one over their number, so distances above it are compared at this one

# The table. Distances are in floors.
REAL_MOST = 2.0  # as real images: at most so many floors, and no more above the floor than what is near real
NEAR_MOST = 15.0  # near real: at most so many floors of 5,000 images above the floor
READABLE_MOST = 500.0  # readable: at most so many of them; above: noise
FEW = 0.05  # recall under this share of its floor: few shapes, or noise
FLAGGED = 0.25  # recall under this share of its floor: reports flag the run
ALIKE = 0.4  # which of the two, by precision's share of its floor: from here on the few are like real images

# Features that see little of what makes images real (those of rfd, and of a classifier that is right for a smaller
# share of real images than this) say no more than readable, unless the distance cannot be told from the floor.
SHARP = 0.8
REAL_MOST_BLURRED = 1.15


def word(
    objective: str | None, values: Mapping[str, float], floors: Mapping[str, float], measured: Mapping[str, Any]
) -> str | None:
    """The word for final values (column -> value, on half B); None where there is none for this objective and protocol.

    `floors`: column -> the same metric between real and real images; `measured`: how they were computed, as of
    `Scores.provenance`.
    """

    def share(column: str) -> float | None:
        value, floor = values.get(column), floors.get(column)
        return None if value is None or floor is None or floor <= 0 else value / floor

    if objective not in OBJECTIVES or version_of(measured, objective) != VERSION:
        return None
    if (ratio := share(objective)) is None:
        return None
    above = (ratio - 1) * COUNT / int(measured.get("num_samples") or COUNT)
    recall, precision = share("recall"), share("precision")
    if recall is not None and recall < FEW and above <= READABLE_MOST:
        return COLLAPSED if precision is None or precision >= ALIKE else NOISE
    sharp = _is_sharp(objective, measured)
    if ratio <= (REAL_MOST if sharp else REAL_MOST_BLURRED) and above <= NEAR_MOST:
        return REAL
    return NEAR if above <= NEAR_MOST and sharp else READABLE if above <= READABLE_MOST else NOISE


def _is_sharp(objective: str, measured: Mapping[str, Any]) -> bool:
    classifier = (measured.get("extractors") or {}).get("classifier") or {}
    return objective == "cfd" and float(classifier.get("test_accuracy") or 1.0) >= SHARP


def first_word(values: Mapping[str, float], floors: Mapping[str, float], measured: Mapping[str, Any]) -> str | None:
    """The word of the first objective that has one."""
    return next((said for name in OBJECTIVES if (said := word(name, values, floors, measured))), None)


def word_of(result: Mapping[str, Any]) -> str:
    """The word for the final values in a result.json, or "" where there is none for what was measured."""
    name, measured = (result.get("objective") or {}).get("name"), result["provenance"].get("metrics") or {}
    return word(name, result["final"], result.get("floors") or {}, measured) or ""


def score_of(result: Mapping[str, Any]) -> str:
    """The objective's final value with its word, such as "cfd 9.31 readable"; "" where nothing was measured."""
    name, value = reported(result)
    return "" if value is None else f"{name} {value:.4g} {word_of(result)}".rstrip()
