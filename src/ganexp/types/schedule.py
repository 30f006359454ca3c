"""Schedules: factors that a setting is multiplied by, functions of where training stands, never stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ganexp.types.bounds import NonNegative, Positive

Shape = Literal["constant", "linear", "cosine", "exponential"]

SHAPES: Mapping[Shape, Callable[[float, float, float], float]] = {
    "constant": lambda start, end, share: start,
    "linear": lambda start, end, share: start + (end - start) * share,
    "cosine": lambda start, end, share: end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0,
    "exponential": lambda start, end, share: start ** (1.0 - share) * end**share,
}
"""Shape -> factor, from `start` at share 0 to `end` at share 1 (cosine: Loshchilov and Hutter 2017, equation 5)."""


@dataclass(frozen=True)
class Moment:
    """Where training stands, before a step."""

    step: int  # generator steps done
    epochs: float  # passes over the data done, as a fraction
    kimg: float  # thousands of images_seen

    @classmethod
    def start(cls) -> Moment:
        """Before the first step."""
        return cls(0, 0.0, 0.0)

    @property
    def epoch(self) -> int:
        """The epoch in progress, from 1."""
        return math.floor(self.epochs) + 1


@dataclass(frozen=True)
class Schedule:
    """A factor that goes from `start` to `end` over a span, and stays there.

    >>> from ganexp import Moment, Schedule
    >>> schedule = Schedule("linear", start=1.0, end=0.5, epochs=10)
    >>> [schedule.at(Moment(step=0, epochs=epochs, kimg=0.0)) for epochs in (0.0, 5.0, 20.0)]
    [1.0, 0.75, 0.5]
    """

    shape: Shape = "constant"  # "constant" stays at `start`
    start: NonNegative = 1.0  # factor at the beginning
    end: NonNegative = 0.0  # factor from the end of the span on
    epochs: Positive | None = None  # the span in epochs; `${trainer.epochs}` for the whole training
    kimg: Positive | None = None  # or in thousands of images_seen

    def __post_init__(self) -> None:
        spans = [span for span in (self.epochs, self.kimg) if span is not None]
        if len(spans) != (self.shape != "constant"):
            wanted = "neither epochs nor kimg" if self.shape == "constant" else "either epochs or kimg"
            raise ValueError(f"expected {wanted} with shape={self.shape}")
        if self.shape == "exponential" and not (self.start > 0 and self.end > 0):
            raise ValueError("expected start and end above 0 with shape=exponential")

    def at(self, now: Moment) -> float:
        """The factor at `now`."""
        share = now.kimg / self.kimg if self.kimg else now.epochs / self.epochs if self.epochs else 0.0
        return SHAPES[self.shape](self.start, self.end, min(share, 1.0))
