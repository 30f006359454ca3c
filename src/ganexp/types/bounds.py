"""Ranges of numbers that settings may have, and pydantic's validators, which check them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LARGEST = 3.4028234663852886e38  # the largest float32: every setting ends up in that type

Positive = Annotated[float, Gt(0), Le(LARGEST)]
NonNegative = Annotated[float, Ge(0), Le(LARGEST)]
Probability = Annotated[float, Ge(0), Lt(1)]
PositiveInt = Annotated[int, Ge(1), Lt(2**31)]


def validator(annotation: Any) -> TypeAdapter[Any]:
    """pydantic's validator of an annotation; cached, as building one is slow."""
    try:
        return _kept_validator(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return _kept_validator.__wrapped__(annotation)


@functools.lru_cache(maxsize=512)
def _kept_validator(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a dataclass, say, which has a configuration of its own
        return TypeAdapter(annotation)
