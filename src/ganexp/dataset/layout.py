"""How pictures lie in folders: in splits, in class folders, or flat. Read from their paths alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ganexp.types.errors import DataError

TRAIN, TEST = ("train", "training"), ("test", "testing", "eval", "evaluation")
VALIDATION = ("val", "valid", "validation", "dev")
SPLITS = (*TRAIN, *TEST, *VALIDATION)

GENERIC = ("images", "image", "imgs", "img", "pictures", "photos", "jpegimages")  # such a folder names no class
MASKS = (
    "masks",
    "mask",
    "labels",
    "annotations",
    "segmentations",
    "segmentationclass",
    "segmentationobject",
    "groundtruth",
)

# train, training_set, train2017, val_images, testA; seg_train, with something before it, only beside another split.
SPLIT = re.compile(
    rf"(?P<before>.*[_. -])?(?P<word>{'|'.join(SPLITS)})"
    r"([_. -]?(set|data|dataset|split|images?|imgs?|pictures|photos|[0-9]+|[ab]))?",
    re.IGNORECASE,
)

Picture = tuple[str, int, int]
"""Path ("/"-separated) below the top, and two numbers by which a change is noticed."""


class Layout(NamedTuple):
    """The pictures of a folder or a zip, by split."""

    prefix: str  # of the paths that the splits leave out: "" or the only folder of all pictures, with "/"
    train: tuple[Picture, ...]  # paths as they lie, below `prefix`
    test: tuple[Picture, ...]  # (): none is held out by the layout
    left_aside: str  # splits that are not used, in words
    split: bool  # whether there were splits
    in_classes: bool = False  # whether the splits lie in class folders


def layout_of(where: object, pictures: Sequence[Picture]) -> Layout:
    """The layout of pictures in `where`.

    A folder whose subfolders are all named as splits (train, test, val ...) holds splits: train is trained on, test
    (else val) is held out. So it is where each class folder holds splits. Where one folder holds everything, and
    folders again or a name such as images, its name says nothing.

    Raises:
        DataError: splits beside other folders, two or none to train on, or masks beside images.
    """
    prefix = _around(pictures)
    below = [path[len(prefix) :] for path, _, _ in pictures]
    tops = {_top(path) for path in below}
    _refuse_masks(where, prefix, tops)
    if named := splits_in(tops):
        if others := sorted(tops - named.keys()):
            got = f"{', '.join(sorted(named))} beside {', '.join(others[:3]) if others[0] else 'pictures'}"
            raise DataError(
                f"{where}: expected splits ({', '.join(SPLITS)}) or classes, got {got}; move the others elsewhere, "
                f"name one split as dataset.path and another as dataset.reference_path, or rename a class {min(named)}"
            )
        return _divided(where, prefix, pictures, named, [_top(path) for path in below])
    second = [_top(path.partition("/")[2]) for path in below]
    inner = splits_in(set(second))
    if inner and inner.keys() == set(second):
        if len({*inner.values()}) > 1 or "train" in inner.values():
            return _divided(where, prefix, pictures, inner, second)._replace(in_classes=True)
    elif mixed := _splits_in_some(below):
        raise DataError(
            f"{where}: expected splits in every class folder or in none, got {mixed[0]}/{mixed[1]} beside class "
            "folders without; move the pictures of each class into such folders"
        )
    return Layout(prefix, tuple(pictures), (), "", False)


def splits_in(tops: Collection[str]) -> dict[str, str]:
    """The folders that are named as splits -> train, test or val.

    Names with something before the word (seg_train, seg_test) are splits where they are of two kinds.
    """
    matches = {top: match for top in tops if (match := SPLIT.fullmatch(top))}
    kinds = {top: _kind(match["word"].lower()) for top, match in matches.items()}
    several = len(set(kinds.values())) > 1
    return {top: kind for top, kind in kinds.items() if several or not matches[top]["before"]}


def classes_of(where: object, pictures: Sequence[Picture], depth: int) -> tuple[str, ...]:
    """Names of the folders below the first `depth` characters of the paths; () where pictures lie there directly.

    Raises:
        DataError: pictures in folders and beside them, or masks beside images.
    """
    inside = {path[depth:].split("/", 1)[0] for path, _, _ in pictures if "/" in path[depth:]}
    beside = [path for path, _, _ in pictures if "/" not in path[depth:]]
    if inside and beside:
        raise DataError(
            f"{where}: expected all pictures in class folders or none, got {beside[0]} beside {min(inside)}/; move "
            "them into a folder of their class, or all into one folder"
        )
    _refuse_masks(where, pictures[0][0][:depth], inside)
    return tuple(sorted(inside))


def depth_below(pictures: Sequence[Picture], depth: int) -> int:
    """`depth` with the folders below it that hold all pictures and whose names say nothing."""
    return depth + len(_around([(path[depth:], 0, 0) for path, _, _ in pictures], among_splits=True))


def _divided(
    where: object, prefix: str, pictures: Sequence[Picture], named: Mapping[str, str], folders: Sequence[str]
) -> Layout:
    """The pictures by split; `folders` says in which one each lies."""
    by_kind = defaultdict(list)
    for top in sorted(named, key=lambda top: (top.lower() not in SPLITS, top)):
        by_kind[named[top]].append(top)
    train, held = by_kind["train"], (by_kind["test"] or by_kind["val"])[:1]
    if len(train) != 1:
        got = f"{', '.join(train)} of them" if train else f"{', '.join(sorted(named))} alone"
        like = [top for top in (*by_kind["test"], *by_kind["val"]) if train and top[-1] == train[0][-1]]
        line = f"dataset.path={where}/{prefix}{train[0] if train else min(named)}"
        line += f" dataset.reference_path={where}/{prefix}{like[0]}" if like else ""
        raise DataError(
            f"{where}: expected a split to train on ({', '.join(TRAIN)}), got {got}; name a folder as dataset.path "
            f"(a zip: unpacked), e.g. {line}"
        )
    parts = [tuple(each for each, top in zip(pictures, folders, strict=True) if top in kept) for kept in (train, held)]
    return Layout(prefix, parts[0], parts[1], ", ".join(sorted(named.keys() - {*train, *held})), True)


def _around(pictures: Sequence[Picture], *, among_splits: bool = False) -> str:
    """The folders around all pictures whose names say nothing, each with its "/"."""
    prefix = ""
    while len(tops := {_top(path[len(prefix) :]) for path, _, _ in pictures}) == 1 and tops != {""}:
        top = next(iter(tops))
        only = f"{prefix}{top}/"
        if not among_splits and splits_in(tops):
            break
        idle = top.lower() in GENERIC or (among_splits and SPLIT.fullmatch(top))
        if not idle and not all("/" in path[len(only) :] for path, _, _ in pictures):
            break
        prefix = only
    return prefix


def _refuse_masks(where: object, prefix: str, tops: Collection[str]) -> None:
    names = {top.lower(): top for top in tops}
    masks = names.keys() & {*MASKS}
    if masks and names.keys() - masks and names.keys() <= {*MASKS, *GENERIC}:
        images, folders = (names[min(each)] for each in (names.keys() - masks, masks))
        inside = f"{where}/{prefix}".rstrip("/")
        raise DataError(
            f"{inside}: expected class folders, got {images} beside {folders}, which are no classes; "
            f"dataset.path={inside}/{images} names the pictures alone"
        )


def _splits_in_some(paths: Sequence[str]) -> tuple[str, str] | None:
    """A folder with splits of two kinds, and one of these; None: there is none."""
    below = defaultdict(set)
    for path in paths:
        below[_top(path)].add(_top(path.partition("/")[2]))
    found = ((top, splits_in(inside)) for top, inside in sorted(below.items()) if top)
    return next(((top, min(named)) for top, named in found if len(set(named.values())) > 1), None)


def _kind(word: str) -> str:
    return "train" if word in TRAIN else "test" if word in TEST else "val"


def _top(path: str) -> str:
    """The first folder of a path; "": it has none."""
    return path.split("/", 1)[0] if "/" in path else ""
