"""How pictures lie in folders: in splits, in class folders, or flat. Read from their paths alone."""

from __future__ import annotations

import re
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


SPLIT = re.compile(rf"({'|'.join(SPLITS)})(?:[-_ ]?(?:set|images?|imgs?|data))?(?:[-_ ]?\d+)?", re.IGNORECASE)
PLAIN = ("images", "image", "imgs", "img", "pictures", "photos", "data")  # names of a folder of all pictures
MASKS = ("masks", "mask", "labels", "annotations", "segmentation", "depth")  # names of folders of no photographs


def _split(folder: str) -> str:
    """The name of the split that a folder holds ("test_set", "train2017", "val images"); "": of none."""
    found = SPLIT.fullmatch(folder)
    return found[1].lower() if found else ""


def layout_of(where: object, pictures: Sequence[Picture]) -> Layout:
    """The layout of pictures in `where`.

    A folder whose subfolders are all named as splits (train, test_set, val2017 ...) holds splits: train is trained on,
    test (else val) is held out. Where one folder holds everything, and folders again, its name says nothing.

    Raises:
        DataError: splits beside other folders or within classes, without one to train on, or masks beside pictures.
    """
    prefix = ""
    while len(tops := {_top(path[len(prefix) :]) for path, _, _ in pictures}) == 1:
        only = f"{prefix}{next(iter(tops))}/"
        if "" in tops or _split(_top(only[len(prefix) :])):
            break
        if not all("/" in path[len(only) :] for path, _, _ in pictures):
            break
        prefix = only
    named = {top for top in tops if _split(top)}
    _check_classes(where, tops, [path[len(prefix) :] for path, _, _ in pictures])
    if not named:
        return Layout(prefix, tuple(pictures), (), "", False)
    if others := sorted(tops - named):
        got = f"{', '.join(sorted(named))} beside {', '.join(others[:3]) if others[0] else 'pictures'}"
        raise DataError(
            f"{where}: expected splits ({', '.join(SPLITS)}) or classes, got {got}; move the others elsewhere, name "
            f"one split as dataset.path and another as dataset.reference_path, or rename a class {min(named)}"
        )
    chosen = [next((top for top in sorted(named) if _split(top) in names), "") for names in (TRAIN, TEST, VALIDATION)]
    if not chosen[0]:
        raise DataError(
            f"{where}: expected a split to train on ({', '.join(TRAIN)}), got {', '.join(sorted(named))} alone; name a "
            f"folder as dataset.path, e.g. {where}/{min(named)}"
        )
    held = chosen[1] or chosen[2]
    parts = [tuple(each for each in pictures if each[0].startswith(f"{prefix}{top}/")) for top in (chosen[0], held)]
    aside = ", ".join(sorted(named - {chosen[0], held}))
    return Layout(prefix, parts[0], parts[1] if held else (), aside, True)


def _check_classes(where: object, tops: set[str], paths: Sequence[str]) -> None:
    """Refuse folders that would be read as classes and are none.

    Raises:
        DataError: splits within classes, masks beside pictures, or two domains (trainA, trainB).
    """
    lower = {top.lower(): top for top in tops}
    if masks := [lower[name] for name in lower if name in MASKS and set(lower) & set(PLAIN)]:
        images = next(lower[name] for name in PLAIN if name in lower)
        raise DataError(f"{where}: expected classes or splits, got {masks[0]} beside {images}; give {where}/{images}")
    if domains := sorted(top for top in tops if re.fullmatch(r"(train|test|val)[AB]", top)):
        raise DataError(
            f"{where}: expected classes or splits, got folders of two domains, {', '.join(domains)}; give one as "
            f"dataset.path, e.g. {where}/{domains[-1]}"
        )
    within = {parts[1] for path in paths if len(parts := path.split("/")) > 2}
    flat = any(path.count("/") < 2 for path in paths)
    if not flat and len(tops) > 1 and any(_split(each) in TRAIN for each in within) and all(map(_split, within)):
        example = sorted(tops)[0]
        raise DataError(
            f"{where}: expected splits that hold classes, got classes that hold splits ({example}/{min(within)}); move "
            f"{example}/{min(within)} to {min(within)}/{example}, and so on"
        )


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
    if len(inside) == 1 and min(inside).lower() in PLAIN:
        return ()
    return tuple(sorted(inside))


def _top(path: str) -> str:
    """The first folder of a path; "": it has none."""
    return path.split("/", 1)[0] if "/" in path else ""
