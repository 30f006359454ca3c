"""Bad data: a file that is not what it should be is refused, named, before any work; what is small or odd works."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attempt
import numpy as np
import pytest
from attempt import Ended, check_refused, launch
from material import gzip_bomb, idx, mnist, npy, npy_header, picture, pixels, png

from ganexp.dataset import arrays
from ganexp.dataset import mnist as load_mnist
from ganexp.types.errors import DataError
from helpers import TINY

SMALL = (
    *(text for text in TINY if not text.startswith(("dataset", "trainer.batch_size", "trainer.epochs"))),
    *("trainer.batch_size=1", "trainer.epochs=1", "trainer.max_steps=1", "trainer.samples_every_epochs=null"),
)
NPY = "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }"

Train = Callable[..., Ended]


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Imported once, for all children."""
    attempt.warm()


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Train]:
    """One small run on a data root and a user's cache of its own."""
    monkeypatch.setenv("GANEXP_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield lambda *overrides: launch(tmp_path / "here", *SMALL, *overrides)


def check_named(ended: Ended, *words: str) -> None:
    """A refusal that says expected and got and names the file; nothing prepared is left."""
    told = check_refused(ended)
    for word in ("expected", "got", *words):
        assert word in told, told
    left = [
        path for path in ended.folder.parent.glob("root/prepared/**/*") if path.suffix == ".npy" or ".tmp" in path.name
    ]
    assert left == []


BAD_IDX = {
    "empty": ("train-images-idx3-ubyte", b""),
    "cut in the header": ("train-images-idx3-ubyte", idx(pixels(30, 28, 28))[:9]),
    "one byte short": ("train-images-idx3-ubyte", idx(pixels(30, 28, 28))[:-1]),
    "one byte more": ("t10k-images-idx3-ubyte", idx(pixels(10, 28, 28)) + b"\0"),
    "other magic": ("t10k-images-idx3-ubyte", b"\0\0\x0d\x03" + idx(pixels(10, 28, 28))[4:]),
    "labels for images": ("train-images-idx3-ubyte", idx(pixels(30))),
    "two dimensions": ("train-images-idx3-ubyte", idx(pixels(30, 28))),
    "four thousand million images": ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 12 + bytes(100)),
    "no images": ("train-images-idx3-ubyte", idx(pixels(0, 28, 28))),
    "no pixels": ("train-images-idx3-ubyte", idx(pixels(30, 0, 28))),
    "gzip, not unpacked": ("train-labels-idx1-ubyte", b"\x1f\x8b\x08\x00" + bytes(60)),
    "labels beyond 9": ("train-labels-idx1-ubyte", idx(np.full(30, 10, np.uint8))),
    "too few labels": ("t10k-labels-idx1-ubyte", idx(pixels(9))),
    "too many labels": ("t10k-labels-idx1-ubyte", idx(np.zeros(11, np.uint8))),
    "no labels": ("train-labels-idx1-ubyte", idx(pixels(0))),
}


@pytest.mark.parametrize("kind", BAD_IDX)
def test_bad_idx_files_are_refused(kind: str, train: Train, tmp_path: Path) -> None:
    name, content = BAD_IDX[kind]
    (mnist(tmp_path / "root") / name).write_bytes(content)
    check_named(train("dataset=mnist"), f"MNIST/raw/{name}")


def test_idx_files_cut_anywhere_are_refused(tmp_path: Path) -> None:
    """Every length in the headers, and every so many bytes after them, of all four files."""
    folder = mnist(tmp_path / "root", 3, 2)
    tries = 0
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for keep in (*range(20), *range(20, len(whole), 97), len(whole) - 1):
            if keep < len(whole):
                path.write_bytes(whole[:keep])
                with pytest.raises(DataError, match=f"{path.name}: expected .* got "):
                    load_mnist(root=tmp_path / "root")
                tries += 1
        path.write_bytes(whole)
    assert tries > 100
    assert load_mnist(root=tmp_path / "root").train.shape == (3, 1, 28, 28)


def test_a_missing_one_of_four_files_is_named(train: Train, tmp_path: Path) -> None:
    (mnist(tmp_path / "root") / "t10k-labels-idx1-ubyte").unlink()
    told = check_refused(train("dataset=mnist"))
    assert "t10k-labels-idx1-ubyte" in told and "could not be downloaded" in told


def test_a_gzip_bomb_is_not_unpacked(train: Train, tmp_path: Path) -> None:
    folder = mnist(tmp_path / "root")
    name = "train-images-idx3-ubyte"
    (folder / name).unlink()
    for other in list(folder.iterdir()):
        other.with_name(f"{other.name}.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (folder / f"{name}.gz").write_bytes(gzip_bomb(16))
    assert "could not be downloaded" in check_refused(train("dataset=mnist"))
    assert sum(path.stat().st_size for path in (tmp_path / "root").rglob("*") if path.is_file()) < 2**26


HOSTILE_PICKLE = b"cos\nsystem\n(S'touch executed'\ntR."

BAD_NPY: dict[str, bytes] = {
    "empty": b"",
    "magic alone": b"\x93NUMPY",
    "text": b"not an array, but long enough to be taken for one by a careless reader" * 9,
    "one byte short": npy(pixels(30, 1, 8, 8))[:-1],
    "one byte more": npy(pixels(30, 1, 8, 8)) + b"\0",
    "another version": b"\x93NUMPY\x09\x00" + npy(pixels(30, 1, 8, 8))[8:],
    "zip archive": b"PK\x03\x04" + bytes(200),
    "pickled objects": npy(np.array([[[[os.getpid]]]] * 9, dtype=object), allow_pickle=True),
    "a pickle": HOSTILE_PICKLE,
    "a pickle behind a header": npy_header(
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", body=HOSTILE_PICKLE
    ),
    "code in the header": npy_header("{'descr': __import__('os').system('touch executed'), 'shape': (1,), }"),
    "a header of another type": npy_header("[1, 2, 3]"),
    "a negative shape": npy_header(NPY % "(-30, 1, 8, 8)", body=bytes(30 * 64)),
    "a shape past all memory": npy_header(NPY % "(9223372036854775807, 3, 1024, 1024)", body=bytes(99)),
    "a shape of text": npy_header(NPY % "('a', 1, 8, 8)", body=bytes(99)),
    "a header longer than the file": npy_header(NPY % "(1, 1, 8, 8)", 2, 2**32 - 1),
    "a nested header": npy_header("(" * 5000 + ")" * 5000, 2),
    "NaN": npy(np.full((30, 1, 8, 8), np.nan)),
    "numbers in 0 .. 1": npy(np.zeros((30, 1, 8, 8), np.float32)),
    "64-bit numbers": npy(np.zeros((30, 1, 8, 8), np.int64)),
    "truth values": npy(np.zeros((30, 1, 8, 8), bool)),
    "records": npy(np.zeros((30, 1, 8, 8), [("a", "u1"), ("b", "f8")])),
    "text cells": npy(np.full((30, 1, 8, 8), "a")),
    "dates": npy(np.zeros((30, 1, 8, 8), "datetime64[s]")),
    "no images": npy(pixels(0, 1, 8, 8)),
    "no pixels": npy(pixels(30, 1, 0, 8)),
    "one number": npy(np.uint8(3)),
    "two channels": npy(pixels(30, 2, 8, 8)),
    "four channels": npy(pixels(30, 4, 8, 8)),
    "channels last": npy(pixels(30, 8, 8, 3)),
    "no channels": npy(pixels(30, 8, 8)),
    "five dimensions": npy(pixels(30, 1, 1, 8, 8)),
    "one image": npy(pixels(1, 1, 8, 8)),
}


@pytest.mark.parametrize("kind", BAD_NPY)
def test_bad_npy_files_are_refused(kind: str, train: Train, tmp_path: Path) -> None:
    (tmp_path / "images.npy").write_bytes(BAD_NPY[kind])
    ended = train("dataset=arrays", f"dataset.images={tmp_path}/images.npy")
    if kind == "one image":
        assert "at least 2 images" in check_refused(ended)
    else:
        check_named(ended, "images.npy")
    assert not list(tmp_path.rglob("executed"))


def test_npy_files_cut_anywhere_are_refused(tmp_path: Path) -> None:
    whole = npy(pixels(6, 3, 8, 8))
    path = tmp_path / "images.npy"
    for keep in (*range(140), *range(140, len(whole), 31), len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"images.npy: expected .* got "):
            arrays(root=tmp_path / "root", images=path)


BAD_LABELS: dict[str, Any] = {
    "too few": np.zeros(29, int),
    "too many": np.zeros(31, int),
    "none": np.zeros(0, int),
    "negative": np.arange(30) - 1,
    "beyond all classes": np.full(30, 2**40),
    "at the end of unsigned numbers": np.full(30, 2**64 - 1, np.uint64),
    "fractions": np.full(30, 0.5),
    "NaN": np.full(30, np.nan),
    "two classes at once": np.eye(30, dtype=int) + np.roll(np.eye(30, dtype=int), 1, axis=1),
    "one number": np.int64(3),
    "words in pairs": np.full((30, 2), "cat"),
    "objects": np.array([None] * 30, dtype=object),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_bad_labels_are_refused(kind: str, train: Train, tmp_path: Path) -> None:
    (tmp_path / "images.npy").write_bytes(npy(pixels(30, 1, 8, 8)))
    (tmp_path / "labels.npy").write_bytes(npy(BAD_LABELS[kind], allow_pickle=True))
    files = (f"dataset.images={tmp_path}/images.npy", f"dataset.labels={tmp_path}/labels.npy")
    check_named(train("dataset=arrays", *files), "labels.npy")


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device", "loop", "nothing", "hanging link"])
@pytest.mark.parametrize("key", ["images", "labels"])
def test_what_is_no_file_is_refused_and_not_waited_for(kind: str, key: str, train: Train, tmp_path: Path) -> None:
    import socket

    (tmp_path / "images.npy").write_bytes(npy(pixels(30, 1, 8, 8)))
    path = tmp_path / "odd.npy"
    with socket.socket(socket.AF_UNIX) as listening:
        {
            "folder": path.mkdir,
            "pipe": lambda: os.mkfifo(path),
            "socket": lambda: listening.bind(str(path)),
            "device": lambda: path.symlink_to("/dev/zero"),
            "loop": lambda: path.symlink_to(path),
            "nothing": lambda: None,
            "hanging link": lambda: path.symlink_to(tmp_path / "gone.npy"),
        }[kind]()
        files = {"images": tmp_path / "images.npy", key: path}
        ended = train("dataset=arrays", *(f"dataset.{name}={file}" for name, file in files.items()))
    check_named(ended, "odd.npy")


@pytest.mark.parametrize(
    ("images", "overrides"),
    [
        (pixels(2, 1, 1, 1), ()),
        (pixels(2, 3, 1, 1), ("dataset.image_size=8", "~model.generator_widths")),
        (pixels(30, 1, 1, 900), ("dataset.image_size=4",)),
        (np.zeros((30, 3, 8, 8), np.uint8), ()),
        (np.full((30, 1, 8, 8), 255, np.uint8), ("trainer.batch_size=27",)),
        (np.asfortranarray(pixels(30, 3, 8, 8)), ()),
    ],
    ids=["two pixels", "two pixels enlarged", "a line", "all black", "all white", "another order"],
)
def test_small_and_odd_images_work(images: Any, overrides: tuple[str, ...], train: Train, tmp_path: Path) -> None:
    (tmp_path / "images.npy").write_bytes(npy(images))
    ended = train("dataset=arrays", f"dataset.images={tmp_path}/images.npy", *overrides)
    assert (ended.status, ended.states()) == (0, ["COMPLETED"]), ended.told


def album(folder: Path, count: int = 6) -> Path:
    """A folder of sound pictures."""
    folder.mkdir()
    sound = picture()
    for number in range(count):
        (folder / f"{number:05d}.png").write_bytes(sound)
    return folder


def bomb_of_text() -> bytes:
    """A sound little picture with a compressed comment of 100 MiB."""
    import zlib

    return png(8, 8, bytes(72), (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100 * 2**20), 9)))


BAD_PICTURES: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"not a picture",
    "empty": lambda: b"",
    "cut": lambda: picture(40)[:-40],
    "cut in the header": lambda: picture()[:20],
    "a bomb of 10,000 million pixels": lambda: png(100_000, 100_000),
    "a bomb of 100 million pixels": lambda: png(10_000, 10_000),
    "a bomb of a row": lambda: png(2**31 - 1, 1),
    "no pixels": lambda: png(0, 8),
    "a bomb in a comment": bomb_of_text,
    "npy": lambda: npy(pixels(8, 8)),
    "floats beyond 1": lambda: _saved(np.full((8, 8), 2.5, np.float32), "TIFF"),
    "floats that are none": lambda: _saved(np.full((8, 8), np.nan, np.float32), "TIFF"),
    "EPS, which is a program": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
}


def _saved(array: Any, kind: str) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_bad_pictures_are_refused(kind: str, train: Train, tmp_path: Path) -> None:
    folder = album(tmp_path / "album")
    (folder / "00003.png").write_bytes(BAD_PICTURES[kind]())
    check_named(train("dataset=image_folder", f"dataset.path={folder}"), "00003.png")


def _loop(folder: Path) -> None:
    (folder / "again").symlink_to(folder)


def _two_loops(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "b").symlink_to(folder / "c")
    (folder / "c").symlink_to(folder / "a")


def _wide(folder: Path) -> None:
    """Links that would be 2**12 folders if each were followed anew."""
    for depth in range(12):
        inside = folder / "/".join(f"d{n}" for n in range(depth + 1))
        inside.mkdir()
        (inside.parent / f"e{depth}").symlink_to(inside)


ODD_FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a link to itself": (_loop, "again"),
    "links round in a circle": (_two_loops, "symbolic links lead to again"),
    "links that multiply": (_wide, "symbolic links lead to again"),
    "a file that links to itself": (lambda folder: (folder / "x.png").symlink_to(folder / "x.png"), "x.png"),
    "a pipe": (lambda folder: os.mkfifo(folder / "x.png"), "x.png"),
    "a device": (lambda folder: (folder / "x.png").symlink_to("/dev/zero"), "x.png"),
    "a picture beside class folders": (
        lambda folder: ((folder / "cat").mkdir(), (folder / "cat" / "x.png").write_bytes(picture())),
        "beside cat/",
    ),
}


@pytest.mark.parametrize("kind", ODD_FOLDERS)
def test_odd_folders_are_refused(kind: str, train: Train, tmp_path: Path) -> None:
    make, word = ODD_FOLDERS[kind]
    folder = album(tmp_path / "album")
    make(folder)
    check_named(train("dataset=image_folder", f"dataset.path={folder}"), word)


@pytest.mark.parametrize("kind", ["no folder", "empty", "a file", "one picture", "other files alone"])
def test_folders_without_pictures_are_refused(kind: str, train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    if kind == "a file":
        folder.write_bytes(picture())
    elif kind != "no folder":
        album(folder, int(kind == "one picture"))
    if kind == "other files alone":
        (folder / "notes.txt").write_text("none")
    told = check_refused(train("dataset=image_folder", f"dataset.path={folder}"))
    assert "expected" in told and "got" in told


def test_ten_thousand_files_some_of_which_are_no_pictures(train: Train, tmp_path: Path) -> None:
    folder = album(tmp_path / "album", 9_900)
    for number in range(100):
        (folder / f"{number}.{('txt', 'db', 'json', 'png~')[number % 4]}").write_text("no picture")
    (folder / "\udcff\n.png").write_bytes(picture())
    overrides = ("dataset=image_folder", f"dataset.path={folder}", "dataset.image_size=8")
    ended = train(*overrides)
    assert (ended.status, ended.states()) == (0, ["COMPLETED"]), ended.told
    assert "100 other files skipped" in ended.told
    (folder / "05000.png").write_text("no picture, though it says so")
    refused = launch(tmp_path / "there", *SMALL, *overrides)
    assert "05000.png: expected a picture that can be read" in check_refused(refused)


def test_names_that_are_no_text_do_not_hide_what_is_wrong(train: Train, tmp_path: Path) -> None:
    folder = album(tmp_path / "album")
    (folder / "\udcff\n.png").write_text("no picture")
    check_named(train("dataset=image_folder", f"dataset.path={folder}"), "expected a picture")


@pytest.mark.parametrize("name", ["train_images", "test_images", "train_labels", "test_labels"])
@pytest.mark.parametrize("damage", ["cut", "empty", "objects", "pipe"])
def test_damaged_prepared_files_are_refused(name: str, damage: str, train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "prepared" / "mnist"
    folder.mkdir(parents=True)
    for split, count in (("train", 30), ("test", 10)):
        np.save(folder / f"{split}_images.npy", pixels(count, 1, 28, 28))
        np.save(folder / f"{split}_labels.npy", np.arange(count) % 10)
    path = folder / f"{name}.npy"
    whole = path.read_bytes()
    path.unlink()
    if damage == "pipe":
        os.mkfifo(path)
    else:
        objects = npy(np.array([print] * 30, dtype=object), allow_pickle=True)
        path.write_bytes({"cut": whole[:-1], "empty": b"", "objects": objects}[damage])
    told = check_refused(train("dataset=mnist"))
    assert f"{name}.npy: expected" in told and "got" in told


def test_pickles_of_a_stranger_are_not_opened(train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(HOSTILE_PICKLE)
    told = check_refused(train("dataset=cifar10"))
    assert "cifar-10-batches-py is there, but" in told
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize(
    ("dataset", "word"),
    [
        (("dataset=digits", "trainer.batch_size=900"), "trainer.batch_size"),
        (("dataset=digits", "dataset.num_images=900"), "dataset.num_images"),
        (("dataset=digits", "dataset.image_size=1", "model=dcgan", "~model.generator_widths"), "model"),
        (("dataset=arrays", "dataset.images=one.npy", "dataset.reference_labels=two.npy"), "dataset.reference_labels"),
        (("dataset=digits", "dataset.name=a/b"), "dataset.name"),
        (("dataset=digits", "dataset.name=.."), "dataset.name"),
        (("dataset=digits", "dataset.root=../file"), "dataset.root"),
        (("dataset=digits", "dataset.root=~nobodyhere/x"), "dataset.root"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_data_cannot_serve_is_refused(
    dataset: tuple[str, ...], word: str, train: Train, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    assert word in check_refused(train(*dataset))
