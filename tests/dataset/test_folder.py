from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganexp.dataset import image_folder
from ganexp.dataset import picture as picture_module
from ganexp.types.errors import DataError


@pytest.fixture
def album(tmp_path: Path) -> Callable[..., Path]:
    """A folder of pictures, each of one grey value: {relative path: (value, (height, width))}."""

    def make(pictures: dict[str, tuple[int, tuple[int, int]]], top: str = "album") -> Path:
        for name, (value, size) in pictures.items():
            path = tmp_path / top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)
        return tmp_path / top

    return make


def flat(count: int, size: tuple[int, int] = (6, 6)) -> dict[str, tuple[int, tuple[int, int]]]:
    return {f"{number:02d}.png": (number * 10, size) for number in range(count)}


def values(images: np.ndarray) -> list[int]:
    """The grey value of each image; every image must have one alone."""
    assert all(len(np.unique(image)) == 1 for image in images)
    return [int(image.flat[0]) for image in images]


def test_pictures_of_one_size_are_prepared_at_that_size(root: Path, album: Callable[..., Path]) -> None:
    data = image_folder(root=root, path=album(flat(20)), image_size=8)
    assert (data.train.shape, data.reference.shape) == ((18, 3, 8, 8), (2, 3, 8, 8))
    prepared = np.load(data.cache_dir / "train_images.npy", allow_pickle=False)
    assert prepared.shape == (20, 3, 6, 6)
    assert sorted(values(prepared)) == [number * 10 for number in range(20)]
    assert sorted(values(data.train) + values(data.reference)) == sorted(values(prepared))
    assert data.train_labels is data.num_classes is None
    assert data.name.startswith("image_folder-")
    assert data.cache_dir.name.startswith("image_folder-")


def test_pictures_of_mixed_sizes_are_prepared_at_image_size(root: Path, album: Callable[..., Path]) -> None:
    top = album({**flat(5), "wide.jpg": (77, (6, 9))})
    data = image_folder(root=root, path=top, image_size=8, channels=1)
    prepared = np.load(data.cache_dir / "train_images.npy", allow_pickle=False)
    assert prepared.shape == (6, 1, 8, 8)
    assert sorted(values(prepared)) == [0, 10, 20, 30, 40, 77]
    with pytest.raises(DataError, match=r"dataset.image_size: expected a number, as .*album has 2 sizes, got null"):
        image_folder(root=root, path=top, image_size=None)


def test_own_size(root: Path, album: Callable[..., Path]) -> None:
    assert image_folder(root=root, path=album(flat(5)), image_size=None).image_shape == (3, 6, 6)


def test_subfolders_are_the_labels(root: Path, album: Callable[..., Path]) -> None:
    tens = {
        f"{name}/deep/{n}.png": (value + n, (6, 6)) for name, value in (("cat", 0), ("ant", 100)) for n in range(10)
    }
    data = image_folder(root=root, path=album(tens), image_size=6)
    assert data.num_classes == 2
    assert data.train_labels is not None
    assert data.reference_labels is not None
    assert data.train_labels.tolist() == [int(value < 100) for value in values(data.train)]  # ant 0, cat 1
    assert data.reference_labels.tolist() == [int(value < 100) for value in values(data.reference)]
    assert np.bincount(data.reference_labels).tolist() == [1, 1]
    assert data.reference_origin == "fixed stratified share of 0.1 of the data"
    first = image_folder(root=root, path=album(tens), image_size=6, num_images=8)
    assert set(first.train_labels.tolist()) == {0, 1}  # shuffled: the first n are of all classes


def test_separate_reference_folder(root: Path, album: Callable[..., Path]) -> None:
    top = album({f"{name}/{n}.png": (n, (6, 6)) for name in ("a", "b", "c") for n in range(4)})
    held = album({f"{name}/{n}.png": (100 + n, (6, 6)) for name in ("a", "c") for n in range(2)}, "held")
    data = image_folder(root=root, path=top, reference_path=held, image_size=6)
    assert (len(data.train), len(data.reference)) == (12, 4)
    assert data.reference_labels is not None
    assert sorted(data.reference_labels.tolist()) == [0, 0, 2, 2]
    assert data.reference_origin == "separate reference folder"
    other = album({"d/0.png": (0, (6, 6))}, "other")
    with pytest.raises(DataError, match="other: expected the class folders a, b, c, got d"):
        image_folder(root=root, path=top, reference_path=other, image_size=6)
    with pytest.raises(DataError, match="plain: expected the class folders a, b, c, got none"):
        image_folder(root=root, path=top, reference_path=album(flat(3), "plain"), image_size=6)
    with pytest.raises(DataError, match=r"dataset.reference_path: expected a folder apart from dataset.path"):
        image_folder(root=root, path=top, reference_path=top / "a", image_size=6)


def test_other_files_are_skipped_and_counted(
    root: Path, album: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ganexp")
    top = album(flat(4))
    for name in ("notes.txt", "._00.png", ".DS_Store", "Thumbs.db"):
        (top / name).write_text("not a picture")
    (top / ".hidden").mkdir()
    (top / ".hidden" / "x.png").write_text("not a picture")
    (top / "empty").mkdir()
    assert len(image_folder(root=root, path=top).train) == 3
    assert "album: 4 pictures, 4 other files skipped" in caplog.text


@pytest.mark.parametrize("damage", ["text", "truncated", "empty"])
def test_unreadable_picture_is_named(root: Path, album: Callable[..., Path], damage: str) -> None:
    top = album(flat(4, (40, 40)))
    content = {"text": b"not a picture", "truncated": (top / "02.png").read_bytes()[:-30], "empty": b""}[damage]
    (top / "02.png").write_bytes(content)
    with pytest.raises(DataError, match=r"album/02.png: expected a picture that can be read, got \w+"):
        image_folder(root=root, path=top)
    assert not list(root.rglob("*.npy"))


def test_no_pictures(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.path: expected a folder of pictures, got .*none, which is no folder"):
        image_folder(root=root, path=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").touch()
    with pytest.raises(DataError, match=r"dataset.path: expected pictures \(.bmp, .* got 1 other files"):
        image_folder(root=root, path=tmp_path / "empty")


def test_pictures_beside_class_folders_are_refused(root: Path, album: Callable[..., Path]) -> None:
    top = album({"cat/0.png": (0, (6, 6)), "stray.png": (0, (6, 6))})
    with pytest.raises(DataError, match=r"expected all pictures in class folders or none, got stray.png beside cat/"):
        image_folder(root=root, path=top)


def test_links(root: Path, album: Callable[..., Path], tmp_path: Path) -> None:
    top = album(flat(4))
    farm = tmp_path / "farm"
    farm.mkdir()
    for path in top.iterdir():
        (farm / path.name).symlink_to(path)
    assert len(image_folder(root=root, path=farm).train) == 3
    (farm / "notes").symlink_to(farm / "notes")  # leads to itself, is not named like a picture
    assert len(image_folder(root=root, path=farm).train) == 3
    (farm / "gone.png").symlink_to(farm / "nowhere.png")
    with pytest.raises(DataError, match=r"farm/gone.png: expected a picture, got No such file"):
        image_folder(root=root, path=farm)
    (farm / "gone.png").unlink()
    (farm / "self.png").symlink_to(farm / "self.png")
    with pytest.raises(DataError, match=r"farm/self.png: expected a picture, got Too many levels of symbolic links"):
        image_folder(root=root, path=farm)
    (farm / "self.png").unlink()
    (farm / "loop").symlink_to(tmp_path)
    with pytest.raises(DataError, match="expected every folder once, got one that symbolic links lead to again"):
        image_folder(root=root, path=farm)


def test_pipe_is_refused(root: Path, album: Callable[..., Path]) -> None:
    top = album(flat(4))
    os.mkfifo(top / "pipe.png")
    with pytest.raises(DataError, match=r"pipe.png: expected a picture, got something that is no regular file"):
        image_folder(root=root, path=top)


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose header promises a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "got"),
    [(9000, 8000, "at most 67108864 pixels, got 9000 x 8000"), (100_000, 100_000, "DecompressionBombError")],
)
def test_decompression_bomb_is_refused(
    root: Path, album: Callable[..., Path], width: int, height: int, got: str
) -> None:
    top = album(flat(4))
    (top / "bomb.png").write_bytes(bomb(width, height))
    with pytest.raises(DataError, match=f"bomb.png: expected .*{got}"):
        image_folder(root=root, path=top)


def test_modes(root: Path, tmp_path: Path) -> None:
    top = tmp_path / "modes"
    top.mkdir()
    colour = Image.new("RGB", (6, 6), (255, 0, 0))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        suffix = "tif" if mode == "CMYK" else "png"
        colour.convert(mode).save(top / f"{mode}.{suffix}")
    data = image_folder(root=root, path=top, image_size=6)
    assert data.image_shape == (3, 6, 6)
    grey = image_folder(root=root, path=top, image_size=6, channels=1)
    assert grey.image_shape == (1, 6, 6)
    assert grey.cache_dir != data.cache_dir
    Image.fromarray(np.full((6, 6), 40_000, np.uint16)).save(top / "deep.png")
    deep = image_folder(root=root, path=top, image_size=6)
    assert any((images == 156).all(axis=(1, 2, 3)).any() for images in (deep.train, deep.reference))  # 40,000 / 257


def test_rotated_photographs_stand_upright(root: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255  # white on the left; turned by 90 degrees clockwise: white on top
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(pixels).save(tmp_path / "photos" / name, exif=exif, quality=95)
    data = image_folder(root=root, path=tmp_path / "photos", image_size=16)
    prepared = np.load(data.cache_dir / "train_images.npy", allow_pickle=False)
    assert prepared.shape == (2, 3, 16, 8)
    assert prepared[:, :, :7].min() > 200
    assert prepared[:, :, 9:].max() < 50


def test_changed_folder_is_prepared_again_and_an_unchanged_one_is_not(
    root: Path, album: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    top = album(flat(4))
    first = image_folder(root=root, path=top)
    second = image_folder(root=root, path=album({"new.png": (5, (6, 6))}))
    assert len(second.train) + len(second.reference) == 5
    assert second.fingerprint != first.fingerprint
    monkeypatch.setattr("ganexp.dataset.folder._split", None)
    assert image_folder(root=root, path=top).fingerprint == second.fingerprint


def test_order_does_not_depend_on_the_file_system_or_the_block_length(
    root: Path, album: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = image_folder(root=root, path=album(flat(9)))
    backward = image_folder(root=root, path=album(dict(reversed(flat(9).items())), "backward"))
    assert forward.fingerprint == backward.fingerprint
    monkeypatch.setattr(picture_module, "block_length", lambda _: 2)
    assert image_folder(root=root, path=album(flat(9), "blocks")).fingerprint == forward.fingerprint
