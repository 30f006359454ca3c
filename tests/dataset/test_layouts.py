"""Own data as people have them: splits, zips, npz files, labels of all kinds, transparent, deep and bad pictures."""

from __future__ import annotations

import logging
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganexp.dataset import arrays, image_folder, zipped
from ganexp.types.errors import DataError

Make = Callable[..., Path]


def picture(value: int, size: tuple[int, int] = (6, 6)) -> Image.Image:
    return Image.fromarray(np.full((*size, 3), value, np.uint8))


@pytest.fixture
def album(tmp_path: Path) -> Make:
    """Pictures of one grey value each: {path: value}."""

    def make(pictures: dict[str, int], top: str = "album") -> Path:
        for name, value in pictures.items():
            path = tmp_path / top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(value).save(path)
        return tmp_path / top

    return make


def means(images: np.ndarray) -> list[int]:
    return sorted(int(image.mean()) for image in images)


def splits(*names: str, classes: tuple[str, ...] = ("cat", "dog")) -> dict[str, int]:
    return {
        f"{split}/{each}/{n}.png": 100 * s + 10 * c + n
        for s, split in enumerate(names)
        for c, each in enumerate(classes)
        for n in range(4)
    }


@pytest.mark.parametrize(
    "names",
    [
        ("train", "test"),
        ("Training", "val"),
        ("train", "test", "valid"),
        ("training_set", "test_set"),
        ("train2017", "val2017"),
        ("train_images", "test_images"),
        ("trainA", "testA"),
        ("seg_train", "seg_test"),
    ],
)
def test_splits_are_no_classes(
    root: Path, album: Make, names: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    data = image_folder(root=root, path=album(splits(*names)), image_size=6)
    assert (len(data.train), len(data.reference)) == (8, 8) and data.class_names == ("cat", "dog")
    assert max(means(data.train)) < 100 <= min(means(data.reference)) < 200
    assert data.train_labels is not None and data.train_labels.tolist() == [int(x[0, 0, 0] >= 10) for x in data.train]
    assert data.reference_origin == "split of the folder" and data.cache_dir.name.endswith("-v2")
    assert ("valid is left aside" in caplog.text) == ("valid" in names)


def test_splits_of_pictures_without_classes_and_a_folder_around_everything(root: Path, album: Make) -> None:
    top = album({f"faces/{split}/{n}.png": n + 100 * s for s, split in enumerate(("train", "test")) for n in range(5)})
    data = image_folder(root=root, path=top, image_size=6)
    assert (len(data.train), len(data.reference), data.num_classes) == (5, 5, None)
    wrapped = album({f"pets/{c}/{n}.png": n for c in ("cat", "dog") for n in range(4)}, "wrapped")
    assert image_folder(root=root, path=wrapped, image_size=6).class_names == ("cat", "dog")
    alone = image_folder(root=root, path=album({f"train/{n}.png": n for n in range(10)}, "alone"), image_size=6)
    assert (len(alone.train), len(alone.reference), alone.num_classes) == (9, 1, None)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({f"{top}/0.png": 1 for top in ("trainA", "trainB", "testA", "testB")}, "/trainA dataset.reference.*/testA$"),
        (
            {"images/0.png": 1, "masks/0.png": 2},
            "got images beside masks, which are no classes; dataset.path=.*/images",
        ),
        ({"train/images/0.png": 1, "train/masks/0.png": 2}, "dataset.path=.*/train/images names the pictures alone"),
        ({"cats/train/0.png": 1, "cats/test/0.png": 2, "dogs/0.png": 3}, "splits in every class folder or in none"),
        ({"cats/test/0.png": 1, "cats/val/0.png": 2}, "expected a split to train on"),
        ({"train/0.png": 1, "cats/0.png": 2}, "got train beside cats; move the others elsewhere, name one split"),
        ({"train/0.png": 1, "0.png": 2}, "got train beside pictures"),
        ({"test/0.png": 1, "val/0.png": 2}, r"expected a split to train on .*got test, val alone; name a folder"),
        ({"a/0.png": 1, "0.png": 2}, "0.png beside a/; move them into a folder of their class"),
        ({"train/a/0.png": 1, "test/b/0.png": 2}, "expected the class folders a, got b"),
    ],
)
def test_what_may_be_meant_otherwise_is_asked(root: Path, album: Make, pictures: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        image_folder(root=root, path=album(pictures), image_size=6)


def test_splits_in_class_folders_are_no_classes_either(root: Path, album: Make) -> None:
    pictures = {
        "/".join([c, s, n]): value for path, value in splits("train", "test").items() for s, c, n in [path.split("/")]
    }
    data = image_folder(root=root, path=album(pictures), image_size=6)
    assert (len(data.train), len(data.reference)) == (8, 8) and data.class_names == ("cat", "dog")
    assert max(means(data.train)) < 100 <= min(means(data.reference))
    assert data.train_labels is not None and data.train_labels.tolist() == [int(x[0, 0, 0] >= 10) for x in data.train]


@pytest.mark.parametrize("names", [("images",), ("train/images", "test/images"), ("train/train", "test/test")])
def test_a_folder_of_images_names_no_class(root: Path, album: Make, names: tuple[str, ...]) -> None:
    top = album({f"{name}/{n}.png": n for name in names for n in range(5)})
    data = image_folder(root=root, path=top, image_size=6)
    assert data.train_labels is None and len(data.train) == (5 if len(names) == 2 else 4)


@pytest.mark.parametrize("names", [("speed_train", "car"), ("contest", "latest"), ("protest", "train_station")])
def test_classes_whose_names_resemble_those_of_splits(root: Path, album: Make, names: tuple[str, ...]) -> None:
    top = album({f"{name}/{n}.png": n for name in names for n in range(5)})
    assert image_folder(root=root, path=top, image_size=6).class_names == tuple(sorted(names))


def test_a_zip_reads_as_the_folder_that_it_holds(root: Path, album: Make, tmp_path: Path) -> None:
    top = album(splits("train", "test"))
    with zipfile.ZipFile(tmp_path / "album.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(top.rglob("*.png"), reverse=True):
            archive.write(path, f"album/{path.relative_to(top)}")
        archive.writestr("__MACOSX/album/._0.png", b"not a picture")
    packed = image_folder(root=root, path=tmp_path / "album.zip", image_size=6)
    assert packed.name == image_folder(root=root, path=top, image_size=6).name


def test_a_zip_of_windows_separates_folders_by_backslashes(root: Path, album: Make, tmp_path: Path) -> None:
    top = album(splits("train", "test"))
    with zipfile.ZipFile(tmp_path / "album.zip", "w") as archive:
        archive.writestr("album\\train\\", b"")
        archive.writestr("__MACOSX\\album\\x.png", b"not a picture")
        for path in top.rglob("*.png"):
            archive.write(path, "\\".join(["album", *path.relative_to(top).parts]))
    packed = image_folder(root=root, path=tmp_path / "album.zip", image_size=6)
    assert packed.name == image_folder(root=root, path=top, image_size=6).name
    assert len(zipped.zipped_pictures(tmp_path / "album.zip")[0]) == 16
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("a\\..\\..\\x.png", b"x")
    with pytest.raises(DataError, match="leads out"):
        image_folder(root=root, path=tmp_path / "out.zip")


def test_entries_that_lead_out_are_links_or_encrypted_are_refused_by_name(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    locked = zipfile.ZipInfo("locked.png")
    for entry, words in (("../out.png", "leads out"), (link, "got a link"), (locked, "encrypted")):
        path = tmp_path / f"{words[-4:]}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(entry, b"x")
            if entry is locked:
                locked.flag_bits |= 1
        name = entry if isinstance(entry, str) else entry.filename
        with pytest.raises(DataError, match=rf"{path}/{name}: expected .*{words}"):
            image_folder(root=root, path=path)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for n in range(4):
            archive.writestr(f"{n}.png", b"x" * 10)
    for limit, words in (("MOST_ENTRIES", "3 entries, got 4"), ("MOST_ON_DEMAND", "3 bytes unpacked, got 40")):
        monkeypatch.setattr(zipped, limit, 3)
        with pytest.raises(DataError, match=f"expected at most {words}"):
            image_folder(root=root, path=tmp_path / "many.zip")
        monkeypatch.undo()


def test_npz_files_of_other_programs(root: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    train, test = random.integers(0, 256, (20, 8, 8), np.uint8), random.integers(0, 256, (6, 8, 8), np.uint8)
    colour, column = random.integers(0, 256, (20, 8, 8, 3), np.uint8), np.arange(20)[:, None] % 4
    np.savez(tmp_path / "med.npz", train_images=colour, train_labels=column, val_images=colour, test_images=colour[:6],
             test_labels=column[:6])  # fmt: skip
    np.savez(tmp_path / "keras.npz", x_train=train, y_train=column[:, 0], x_test=test, y_test=column[:6, 0])
    np.savez_compressed(tmp_path / "images.npz", train)
    np.savez_compressed(tmp_path / "labels.npz", column[:, 0].astype(np.uint8))
    med = arrays(root=root, images=tmp_path / "med.npz")
    assert (med.image_shape, len(med.train), len(med.reference), med.num_classes) == ((3, 8, 8), 20, 6, 4)
    assert np.array_equal(med.train, colour.transpose(0, 3, 1, 2)) and med.reference_origin == "test split"
    keras = arrays(root=root, images=tmp_path / "keras.npz")
    assert np.array_equal(keras.reference[:, 0], test) and keras.reference_labels is not None
    kmnist = arrays(root=root, images=tmp_path / "images.npz", labels=tmp_path / "labels.npz", reference_fraction=0.5)
    assert (len(kmnist.train), kmnist.num_classes) == (10, 4)
    np.savez(tmp_path / "odd.npz", pixels=train)
    with pytest.raises(DataError, match=r"got pixels \(20, 8, 8\); numpy.savez\(path, images=..., labels=...\)"):
        arrays(root=root, images=tmp_path / "odd.npz")


ONE_HOT = np.eye(4, dtype=np.float32)[np.arange(20) % 4]


@pytest.mark.parametrize(
    ("labels", "names", "first"),
    [
        (np.arange(20)[:, None] % 4, None, [0, 1, 2, 3]),
        (ONE_HOT, None, [0, 1, 2, 3]),
        (np.array(["dog", "cat", "ant", "bee"] * 5), ("ant", "bee", "cat", "dog"), [3, 2, 0, 1]),
        (np.array([b"d", "ch\u00e4".encode(), b"a", b"b"] * 5), ("a", "b", "ch\u00e4", "d"), [3, 2, 0, 1]),
        (np.array([7, 3, 5, 3] * 5), ("3", "5", "7"), [2, 0, 1, 0]),
        ((np.arange(20) % 4).astype(np.float64), None, [0, 1, 2, 3]),
    ],
)
def test_labels_as_people_have_them(
    root: Path,
    tmp_path: Path,
    labels: np.ndarray,
    names: tuple[str, ...] | None,
    first: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((20, 1, 6, 6), np.uint8))
    np.save(tmp_path / "y.npy", labels)
    data = arrays(root=root, images=tmp_path / "x.npy", labels=tmp_path / "y.npy")
    prepared = np.load(data.cache_dir / "train_labels.npy")
    assert prepared[:4].tolist() == first and data.class_names == names
    assert (
        ("3, 5, 7 are made 0 .. 2" in caplog.text) == data.cache_dir.name.endswith("-v2") == (names == ("3", "5", "7"))
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((20, 3)), r"choose one column: labels\[:, 0\]"),
        (np.full(20, 0.5), "whole numbers"),
        (np.array([b"\xe4", b"b"] * 10), "expected names in UTF-8, got .*; decode them before"),
        (np.zeros(19, int), "20"),
    ],
)
def test_labels_that_are_none(root: Path, tmp_path: Path, labels: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros((20, 1, 6, 6), np.uint8))
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(DataError, match=message):
        arrays(root=root, images=tmp_path / "x.npy", labels=tmp_path / "y.npy")


def test_refused_arrays_say_the_next_step(root: Path, tmp_path: Path) -> None:
    for shape, dtype, hint in (
        ((4, 4, 8, 8), np.uint8, r"images\[:, :3\] drops it"),
        ((4, 8, 8, 4), np.uint8, r"transpose\(0, 3, 1, 2\)\[:, :3\]"),
        ((4, 1, 8, 8), np.uint16, r"images / 257"),
        ((4, 1, 8, 8), np.int64, r"astype\('uint8'\)"),
    ):
        np.save(tmp_path / "x.npy", np.zeros(shape, dtype))
        with pytest.raises(DataError, match=hint):
            arrays(root=root, images=tmp_path / "x.npy")
    with pytest.raises(DataError, match="dataset=image_folder reads pictures"):
        arrays(root=root, images=tmp_path)
    with pytest.raises(DataError, match="dataset=arrays reads it"):
        image_folder(root=root, path=tmp_path / "x.npy")


def test_deep_pictures_are_scaled_by_a_rule(root: Path, tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    ramp = np.linspace(0, 65535, 36).astype(np.uint16).reshape(6, 6)
    for n in range(2):
        Image.fromarray(ramp).save(top / f"{n}.png")
        Image.fromarray((ramp / 65535).astype(np.float32)).save(top / f"{n}.tif")
    data = image_folder(root=root, path=top, channels=1, image_size=6)
    assert all(np.array_equal(image[0], (ramp / 257).round().astype(np.uint8)) for image in data.train)
    Image.fromarray(ramp.astype(np.float32)).save(top / "bright.tif")
    with pytest.raises(DataError, match=r"bright.tif: expected floats in 0 .. 1, got 0 .. 65535; scale them"):
        image_folder(root=root, path=top, channels=1, image_size=6)


def test_what_is_behind_transparent_pixels(root: Path, tmp_path: Path) -> None:
    top = tmp_path / "clear"
    top.mkdir()
    for n in range(4):
        Image.fromarray(np.full((6, 6, 4), (90, 90, 90, 0), np.uint8)).save(top / f"{n}.png")
    values = {
        alpha: means(image_folder(root=root, path=top, alpha=alpha).train)[0] for alpha in ("drop", "white", "black")
    }
    assert values == {"drop": 90, "white": 255, "black": 0}


def test_crop_and_pad_keep_proportions(root: Path, tmp_path: Path) -> None:
    top = tmp_path / "wide"
    top.mkdir()
    wide = np.zeros((6, 12, 3), np.uint8)
    wide[:, 3:9] = 200
    for n in range(4):
        Image.fromarray(wide).save(top / f"{n}.png")
    crop, pad, stretched = (
        image_folder(root=root, path=top, image_size=6, fit=fit).train for fit in ("crop", "pad", "stretch")
    )
    assert np.all(crop == 200)
    assert np.all(pad[:, :, 0] == 0) and pad.shape == crop.shape == stretched.shape == (3, 3, 6, 6)
    assert stretched.min() < 50


def test_bad_pictures_are_named_at_once_or_left_out(root: Path, album: Make, caplog: pytest.LogCaptureFixture) -> None:
    top = album({f"{n:02d}.png": n for n in range(40)})
    whole = (top / "00.png").read_bytes()
    for n in range(25):
        (top / f"{n:02d}.png").write_bytes(whole[:42] if n % 2 else b"none")
    with pytest.raises(DataError) as refused:
        image_folder(root=root, path=top, image_size=6)
    message = str(refused.value)
    assert "and 5 more; dataset.skip_bad=true" not in message  # truncated ones show when they are decoded
    assert (
        message.startswith("13 pictures cannot be used:")
        and "dataset.skip_bad=true leaves such pictures out" in message
    )
    data = image_folder(root=root, path=top, image_size=6, skip_bad=True)
    assert len(data.train) + len(data.reference) == 15 and "25 of 40 pictures are bad" in caplog.text
    caplog.set_level(logging.INFO)
