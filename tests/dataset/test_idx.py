from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganexp.dataset.named import read_idx
from ganexp.types.errors import DataError


def test_reads_images_and_labels(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4))
    (tmp_path / "images").write_bytes(header + images.tobytes())
    (tmp_path / "labels").write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 2, 7, 9)))
    assert np.array_equal(read_idx(tmp_path / "images", 3), images)
    assert read_idx(tmp_path / "labels", 1).tolist() == [7, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic number 0x00000801, got 0x$"),
        (b"\0\0\x08", "magic number 0x00000801, got 0x000008"),
        (bytes((0, 0, 8, 3, 0, 0, 0, 2)), "got 0x00000803"),
        (bytes((0, 0, 9, 1, 0, 0, 0, 2, 7, 9)), "got 0x00000901"),
        (b"\x1f\x8b\x08\x00 a gzip file", "got 0x1f8b0800"),
        (bytes((0, 0, 8, 1, 0, 0)), "header of 8 bytes, got 6"),
        (bytes((0, 0, 8, 1, 0, 0, 0, 2, 7)), r"10 bytes for the shape \(2,\) in its header, got 9"),
        (bytes((0, 0, 8, 1, 0, 0, 0, 2, 7, 9, 9)), "10 bytes.*got 11"),
        (bytes((0, 0, 8, 1, 0, 0, 0, 0)), r"at least 1 in every dimension, got \(0,\)"),
        (bytes((0, 0, 8, 1, 255, 255, 255, 255, 1)), "4294967303 bytes"),
    ],
)
def test_damaged_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(DataError, match=f"labels: expected .*{message}"):
        read_idx(tmp_path / "labels", 1)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels: expected an IDX file, got No such file"):
        read_idx(tmp_path / "labels", 1)
