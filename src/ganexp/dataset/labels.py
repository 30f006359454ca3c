"""Labels as people have them (numbers with gaps, one-hot, a column, names), made 0 .. K - 1."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.npy import MAX_CLASSES
from ganexp.types.errors import DataError


class Labels(NamedTuple):
    """Labels of one split, and what they were before."""

    numbers: NDArray[np.int64]  # (N,), 0 .. K - 1
    names: tuple[str, ...] | None  # of the classes; None: they were 0 .. K - 1 already
    where: str = ""  # in messages
    gaps: bool = False  # whether they were numbers with gaps, which are closed


def plain_labels(where: object, values: NDArray[Any], like: Labels | None = None) -> Labels:
    """Labels (N,), (N, 1), one-hot (N, K) or names (N,) as numbers, in the order of their values.

    `like`: the training labels, whose classes they must be of.

    Raises:
        DataError: they are none of these, or of other classes.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        values = _from_one_hot(where, values)
    if values.ndim != 1 or values.dtype.kind not in "biufUS" or not len(values):
        raise DataError(
            f"{where}: expected integers or names of shape (N,), (N, 1), or one-hot (N, K), got {values.dtype} of "
            f"shape {values.shape}"
        )
    if values.dtype.kind in "US":
        return _numbered(where, _as_text(where, values), like, gaps=False)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise DataError(f"{where}: expected labels that are whole numbers, got {values.min():g} .. {values.max():g}")
    if not 0 <= (low := int(values.min())) <= (high := int(values.max())) < MAX_CLASSES:
        raise DataError(f"{where}: expected labels in 0 .. {MAX_CLASSES - 1}, got {low if low < 0 else high}")
    numbers = values.astype(np.int64)
    if like is not None and like.names is None:
        return Labels(numbers, None, str(where))
    present = np.unique(numbers)
    if like is None and present[0] == 0 and present[-1] == len(present) - 1:
        return Labels(numbers, None, str(where))
    return _numbered(where, numbers, like, gaps=True)


def _as_text(where: object, values: NDArray[Any]) -> NDArray[Any]:
    try:
        return values if values.dtype.kind == "U" else np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: expected names in UTF-8, got {error.object[:40]!r}; decode them before") from None


def _from_one_hot(where: object, values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind not in "biuf" or not ((values == 0) | (values == 1)).all() or (values.sum(axis=1) != 1).any():
        raise DataError(
            f"{where}: expected one label for each image, got shape {values.shape} that is not one-hot; of several "
            "labels an image choose one column: labels[:, 0]"
        )
    return np.asarray(values.argmax(axis=1), np.int64)


def _numbered(where: object, values: NDArray[Any], like: Labels | None, *, gaps: bool) -> Labels:
    names = like.names if like is not None and like.names else tuple(map(str, np.unique(values)))
    number = {name: index for index, name in enumerate(names)}
    if unknown := sorted({str(value) for value in np.unique(values)} - set(names)):
        raise DataError(f"{where}: expected labels of the training images, got others: {', '.join(unknown[:5])}")
    return Labels(np.array([number[str(value)] for value in values], np.int64), names, str(where), gaps)
