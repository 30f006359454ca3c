"""How pictures lie in folders: in splits, in class folders, or flat. Read from their paths alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ganexp.types.errors import DataError

TRAIN, TEST = ("train", "training"), ("test", "testing", "eval", "evaluation")
VALIDATION = ("val", "valid", "validation", "dev")
SPLITS = (*TRAIN, *TEST, *VALIDATION)

Picture = tuple[str, int, int]
"""Path ("/"-separated) below the top, and two numbers by which a change is noticed."""


class Layout(NamedTuple):
    """The pictures of a folder or a zip, by split."""

    prefix: str  # of the paths that the splits leave out: "" or the only folder of all pictures, with "/"
    train: tuple[Picture, ...]  # paths as they lie, below `prefix`
    test: tuple[Picture, ...]  # (): none is held out by the layout
    left_aside: str  # splits that are not used, in words
    split: bool  # whether there were splits


def layout_of(where: object, pictures: Sequence[Picture]) -> Layout:
    """The layout of pictures in `where`.

    A folder whose subfolders are all named as splits (train, test, val ...) holds splits: train is trained on, test
    (else val) is held out. Where one folder holds everything, and folders again, its name says nothing.

    Raises:
        DataError: splits beside other folders, or splits without one to train on.
    """
    prefix = ""
    while len(tops := {_top(path[len(prefix) :]) for path, _, _ in pictures}) == 1:
        only = f"{prefix}{next(iter(tops))}/"
        if "" in tops or _top(only[len(prefix) :]).lower() in SPLITS:
            break
        if not all("/" in path[len(only) :] for path, _, _ in pictures):
            break
        prefix = only
    named = {top for top in tops if top.lower() in SPLITS}
    if not named:
        return Layout(prefix, tuple(pictures), (), "", False)
    if others := sorted(tops - named):
        got = f"{', '.join(sorted(named))} beside {', '.join(others[:3]) if others[0] else 'pictures'}"
        raise DataError(
            f"{where}: expected splits ({', '.join(SPLITS)}) or classes, got {got}; move the others elsewhere, name "
            f"one split as dataset.path and another as dataset.reference_path, or rename a class {min(named)}"
        )
    chosen = [next((top for top in sorted(named) if top.lower() in names), "") for names in (TRAIN, TEST, VALIDATION)]
    if not chosen[0]:
        raise DataError(
            f"{where}: expected a split to train on ({', '.join(TRAIN)}), got {', '.join(sorted(named))} alone; name a "
            f"folder as dataset.path, e.g. {where}/{min(named)}"
        )
    held = chosen[1] or chosen[2]
    parts = [tuple(each for each in pictures if each[0].startswith(f"{prefix}{top}/")) for top in (chosen[0], held)]
    aside = ", ".join(sorted(named - {chosen[0], held}))
    return Layout(prefix, parts[0], parts[1] if held else (), aside, True)


def classes_of(where: object, pictures: Sequence[Picture], depth: int) -> tuple[str, ...]:
    """Names of the folders below the first `depth` characters of the paths; () where pictures lie there directly.

    Raises:
        DataError: pictures in folders and beside them.
    """
    inside = {path[depth:].split("/", 1)[0] for path, _, _ in pictures if "/" in path[depth:]}
    beside = [path for path, _, _ in pictures if "/" not in path[depth:]]
    if inside and beside:
        raise DataError(
            f"{where}: expected all pictures in class folders or none, got {beside[0]} beside {min(inside)}/; move "
            "them into a folder of their class, or all into one folder"
        )
    return tuple(sorted(inside))


def _top(path: str) -> str:
    """The first folder of a path; "": it has none."""
    return path.split("/", 1)[0] if "/" in path else ""
