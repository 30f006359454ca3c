from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ganexp.dataset import prepared as content
from ganexp.dataset.prepared import CACHE, array_digest, file_digest


def test_digest_depends_on_content_alone() -> None:
    labels = np.arange(7, dtype="<i8")
    assert array_digest(labels) == array_digest(labels.astype(">i8"))
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), dtype=np.uint8)
    assert array_digest(images) == array_digest(np.asfortranarray(images))
    expected = "b09e4c044000f41d68ab795e49cf5f114b735b3b193db9eea8fb72d0102bd974"  # the same on every machine
    assert array_digest(np.arange(4, dtype=np.int64)) == expected


def test_digest_tells_shape_type_and_elements_apart() -> None:
    images = np.zeros((2, 1, 2, 3), np.uint8)
    other = images.copy()
    other[1, 0, 1, 2] = 1
    arrays = [images, other, images.reshape(2, 1, 3, 2), images.reshape(1, 2, 2, 3), images.view(np.int8)]
    assert len({array_digest(array) for array in arrays}) == 5


def test_digest_does_not_depend_on_the_block_length(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), dtype=np.uint8)
    whole = array_digest(images)
    monkeypatch.setattr(content, "BLOCK_BYTES", 200)
    assert array_digest(images) == whole


def test_digest_is_computed_once_for_each_state_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def counting(array: np.ndarray) -> str:
        computed.append(len(array))
        return array_digest(array)

    monkeypatch.setattr(content, "array_digest", counting)
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(3, np.int64))
    first = file_digest(path, np.load(path), tmp_path)
    assert file_digest(path, np.load(path), tmp_path) == first
    assert computed == [3]
    before = path.stat()
    np.save(path, np.ones(3, np.int64))  # of the same length
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert file_digest(path, np.load(path), tmp_path) != first
    assert computed == [3, 3]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"PATH": 3}', '{"PATH": {"key": [1]}}', '{"PATH": {"sha256": "x"}}']
)
def test_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(3, np.int64))
    (tmp_path / CACHE).write_text(damage.replace("PATH", str(path)))
    assert file_digest(path, np.load(path), tmp_path) == array_digest(np.zeros(3, np.int64))
    assert array_digest(np.zeros(3, np.int64)) in (tmp_path / CACHE).read_text()
