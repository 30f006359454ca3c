"""Ranges of numbers that settings may have; pydantic checks them wherever a field or a parameter has one."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

LARGEST = 3.4028234663852886e38
"""The largest number of float32, in which all settings meet in the end."""

Positive = Annotated[float, Gt(0), Le(LARGEST)]
NonNegative = Annotated[float, Ge(0), Le(LARGEST)]
Probability = Annotated[float, Ge(0), Lt(1)]
PositiveInt = Annotated[int, Ge(1), Lt(2**31)]
