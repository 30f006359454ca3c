from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganexp.dataset import npy
from ganexp.types.errors import DataError


def save(path: Path, array: np.ndarray, **options: bool) -> Path:
    np.save(path, array, **options)
    return path


def test_images_are_mapped_read_only(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", np.ones((3, 1, 4, 5), np.uint8))
    images = npy.open_images(path)
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    assert images.shape == (3, 1, 4, 5)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.ones((3, 1, 4, 4), np.float32), "got float32"),
        (np.full((3, 1, 4, 4), np.nan), "got float64"),
        (np.ones((3, 1, 4, 4), np.int8), "got int8"),
        (np.ones((3, 4, 4, 4), np.uint8), r"got uint8 of shape \(3, 4, 4, 4\); with an alpha channel\?"),
        (np.ones((3, 2, 4, 4), np.uint8), r"got uint8 of shape \(3, 2, 4, 4\)$"),
        (np.ones((3, 4, 4), np.uint8), r"without a channel axis\? images\[:, None\]"),
        (np.ones((3, 8, 8, 3), np.uint8), r"channels last\? images.transpose\(0, 3, 1, 2\)"),
        (np.ones((0, 1, 4, 4), np.uint8), r"shape \(0, 1, 4, 4\)"),
        (np.ones((3, 1, 0, 4), np.uint8), r"shape \(3, 1, 0, 4\)"),
        (np.uint8(3), r"shape \(\)"),
    ],
)
def test_other_images_are_refused(tmp_path: Path, array: np.ndarray, got: str) -> None:
    path = save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=rf"a.npy: expected uint8 images of shape \(N, C, H, W\).*{got}"):
        npy.open_images(path)


@pytest.mark.parametrize("keep", [0, 3, 6, 9, 40, 127, 128, 129, 128 + 47])
def test_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = save(tmp_path / "a.npy", np.ones((3, 1, 4, 4), np.uint8))
    assert path.stat().st_size == 128 + 48
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a.npy: expected") as caught:
        npy.open_images(path)
    if keep >= 128:
        assert f"expected 176 bytes of uint8 (3, 1, 4, 4) as its header says, got {keep} bytes" in str(caught.value)


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", np.ones((3, 1, 4, 4), np.uint8))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match=r"expected 176 bytes.*got 177"):
        npy.open_images(path)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    objects = save(tmp_path / "objects.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="got Python objects"):
        npy.open_images(objects)
    header = tmp_path / "header.npy"
    literal = b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 1, 4, 4), }".ljust(117) + b"\n"
    header.write_bytes(b"\x93NUMPY\x01\x00" + len(literal).to_bytes(2, "little") + literal)
    with pytest.raises(DataError, match="expected"):
        npy.open_images(header)
    huge = tmp_path / "huge.npy"
    literal = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 1, 4, 4), }".ljust(117) + b"\n"
    huge.write_bytes(b"\x93NUMPY\x01\x00" + len(literal).to_bytes(2, "little") + literal)
    with pytest.raises(DataError, match="expected 16000000000000"):
        npy.open_images(huge)
    with pytest.raises(DataError, match=r"none.npy: expected an npy file, got No such file"):
        npy.open_images(tmp_path / "none.npy")
    with pytest.raises(DataError, match="got Is a directory"):
        npy.open_images(tmp_path)


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (np.zeros(4, np.int32), "expected int64 labels"),
        (np.zeros(4, ">i8"), "expected int64 labels"),
        (np.zeros(4), "expected int64 labels"),
        (np.zeros((4, 1), np.int64), r"shape \(4, 1\)"),
        (np.zeros(3, np.int64), "for each of 4 images, got 3 labels"),
        (np.array([0, 1, 2, 10]), r"expected labels in 0 .. 9, got 0 .. 10"),
        (np.array([0, -1, 2, 3]), r"expected labels in 0 .. 9, got -1 .. 3"),
    ],
)
def test_other_labels_are_refused(tmp_path: Path, labels: np.ndarray, got: str) -> None:
    path = save(tmp_path / "l.npy", labels)
    with pytest.raises(DataError, match=f"l.npy: .*{got}"):
        npy.open_labels(path, 4, 10)


def test_label_limits(tmp_path: Path) -> None:
    assert npy.open_labels(save(tmp_path / "l.npy", np.array([0, 9])), 2, 10).tolist() == [0, 9]
    assert npy.open_labels(save(tmp_path / "m.npy", np.array([npy.MAX_CLASSES - 1])), 1, None).max() == 65_535
    with pytest.raises(DataError, match=r"expected labels in 0 .. 65535, got 65536"):
        npy.open_labels(save(tmp_path / "n.npy", np.array([npy.MAX_CLASSES])), 1, None)


def test_write_in_blocks_is_what_numpy_writes(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)
    npy.write(tmp_path / "a.npy", images.shape, "|u1", npy.blocks(images, 3))
    np.save(tmp_path / "b.npy", images)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    chosen = np.array([7, 1, 1, 4])
    npy.write(tmp_path / "c.npy", (4, 3, 4, 5), "|u1", npy.blocks(images, 3, chosen))
    assert np.array_equal(npy.open_images(tmp_path / "c.npy"), images[chosen])


@pytest.mark.parametrize("blocks", [[np.zeros((2, 1, 4, 4), np.uint8)], [np.zeros((3, 1, 5, 4), np.uint8)]])
def test_a_source_that_gives_something_else_leaves_no_file(tmp_path: Path, blocks: list[np.ndarray]) -> None:
    with pytest.raises(DataError, match=r"a.npy: expected"):
        npy.write(tmp_path / "a.npy", (3, 1, 4, 4), "|u1", blocks)
    assert list(tmp_path.iterdir()) == []
