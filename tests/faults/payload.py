"""What a stranger would have run: it leaves a file, whose path the environment names. It must never appear."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

VARIABLE = "GANEXP_TEST_CANARY"


def touch(*_: Any, **__: Any) -> Any:
    """Leave the file."""
    Path(os.environ[VARIABLE]).touch()


class Pickled:
    """An object whose unpickling leaves the file."""

    def __reduce__(self) -> Any:
        return touch, ()
