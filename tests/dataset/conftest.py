from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, apart from the real one."""
    home = tmp_path / "user-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "ganexp"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    """Random uint8 images of a shape."""

    def make(*shape: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def write_idx(pixels: Callable[..., np.ndarray]) -> Callable[..., dict[str, np.ndarray]]:
    """Write MNIST's four files with few images into a folder, plain or gzipped; gives their content."""

    def write(folder: Path, train: int = 30, test: int = 10, *, zipped: bool = False) -> dict[str, np.ndarray]:
        folder.mkdir(parents=True, exist_ok=True)
        content = {}
        for prefix, count in (("train", train), ("t10k", test)):
            content[f"{prefix}-images-idx3-ubyte"] = pixels(count, 28, 28, seed=count)
            content[f"{prefix}-labels-idx1-ubyte"] = (np.arange(count) % 10).astype(np.uint8)
        for name, array in content.items():
            data = idx_bytes(array)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
        return content

    return write


@pytest.fixture
def hand_prepared(pixels: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write prepared files as a user would hand them over; gives their folder."""

    def write(root: Path, name: str, image_shape: tuple[int, int, int], train: int, test: int | None) -> Path:
        folder = root / "prepared" / name
        folder.mkdir(parents=True)
        for split, count in (("train", train), ("test", test)):
            if count is not None:
                np.save(folder / f"{split}_images.npy", pixels(count, *image_shape, seed=count))
                np.save(folder / f"{split}_labels.npy", np.arange(count, dtype=np.int64) % 10)
        return folder

    return write


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make `place.probe` find a folder and all below it read-only (file modes do not bind a superuser)."""
    from ganexp.dataset import place

    def refuse(top: Path) -> None:
        probe = place.probe

        def refusing(folder: Path) -> None:
            if folder.is_relative_to(top):
                raise OSError(30, "Read-only file system")
            probe(folder)

        monkeypatch.setattr(place, "probe", refusing)

    return refuse
