"""Drawing, unaffected by the user's matplotlib settings; a failure costs a picture, never a run or a report."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from ganexp.types.terminal import plain

log = logging.getLogger("ganexp")

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def decoration(what: object) -> Iterator[None]:
    """Inside, an error costs the picture `what` and a warning, nothing else."""
    try:
        yield
    except Exception as error:
        log.warning("%s", plain(f"{what}: not drawn ({type(error).__name__}: {error})"))


def drawn(draw: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """`draw(*args, **kwargs)`, or a warning and None where it fails."""
    picture = None
    with decoration(f"figure {draw.__name__}"), default_style():
        picture = draw(*args, **kwargs)
    return picture


@contextmanager
def default_style() -> Iterator[None]:
    """Inside, matplotlib draws by its own defaults, whatever MPLBACKEND, matplotlibrc or rcParams say."""
    import_matplotlib()
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def import_matplotlib() -> None:
    """Import matplotlib, even if MPLBACKEND names a missing backend, or the settings file is damaged."""
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    settings = os.environ.get("MATPLOTLIBRC")
    try:
        _import_with(settings)
    finally:
        for name, value in {"MPLBACKEND": backend, "MATPLOTLIBRC": settings}.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _import_with(settings: str | None) -> None:
    try:
        import matplotlib
    except ImportError:
        raise
    except Exception as error:
        log.warning("matplotlib's settings are left out (%s)", plain(error))
        os.environ["MATPLOTLIBRC"] = os.devnull
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # half of it was imported
        import matplotlib  # noqa: F401
