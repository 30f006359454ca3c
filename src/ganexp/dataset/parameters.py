"""Types of the parameters that dataset functions share."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt
from pydantic import StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A plain name: it becomes part of file names."""

ImageSize = Annotated[int, Ge(1), Le(1024)]
"""Height and width of the images that the networks see, in pixels."""

NumImages = Annotated[int, Ge(1)]
"""How many training images are used, from the first on."""

Fraction = Annotated[float, Gt(0), Lt(1)]
"""Share of the images that is held out."""
