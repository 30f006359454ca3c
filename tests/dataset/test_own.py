from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganexp.dataset import arrays, medmnist
from ganexp.types.errors import DataError


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str, np.ndarray], Path]:
    def save(name: str, array: np.ndarray) -> Path:
        np.save(tmp_path / f"{name}.npy", array)
        return tmp_path / f"{name}.npy"

    return save


def test_unlabelled_images(root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]) -> None:
    path = saved("images", pixels(50, 3, 12, 12))
    data = arrays(root=root, images=path)
    assert (data.train.shape, data.reference.shape) == ((45, 3, 12, 12), (5, 3, 12, 12))
    assert data.train_labels is data.reference_labels is data.num_classes is None
    assert data.reference_origin == "fixed share of 0.1 of the data"
    assert isinstance(data.train, np.memmap)
    assert [path.name.startswith("arrays-") for path in (root / "prepared").iterdir()] == [True]
    assert np.array_equal(np.load(data.cache_dir / "train_images.npy", allow_pickle=False), pixels(50, 3, 12, 12))
    assert not list(data.cache_dir.glob("*labels*"))


def test_labelled_images_are_stratified(
    root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]
) -> None:
    labels = np.repeat([0, 1, 2], [20, 30, 50]).astype(np.uint8)
    files = {"images": saved("images", pixels(100, 1, 8, 8)), "labels": saved("labels", labels)}
    data = arrays(root=root, **files, reference_fraction=0.2)
    assert data.reference_labels is not None
    assert np.bincount(data.reference_labels).tolist() == [4, 6, 10]
    assert data.reference_labels.dtype == np.int64
    assert data.num_classes == 3
    assert data.reference_origin == "fixed stratified share of 0.2 of the data"
    other = arrays(root=root, **files, reference_fraction=0.3)
    assert other.fingerprint != data.fingerprint
    assert other.cache_dir == data.cache_dir


def test_separate_reference(root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]) -> None:
    files = {
        "images": saved("images", pixels(50, 1, 8, 8)),
        "labels": saved("labels", np.arange(50) % 10),
        "reference_images": saved("reference", pixels(5, 1, 8, 8, seed=1)),
        "reference_labels": saved("reference_labels", np.array([9, 8, 7, 6, 5])),
    }
    data = arrays(root=root, **files)
    assert (len(data.train), len(data.reference)) == (50, 5)
    assert np.array_equal(data.reference, pixels(5, 1, 8, 8, seed=1))
    assert (data.num_classes, data.reference_origin) == (10, "separate reference images")
    saved("reference_labels", np.array([10, 8, 7, 6, 5]))
    with pytest.raises(DataError, match=r"expected labels in 0 .. 9, got 5 .. 10"):
        arrays(root=root, **files)
    with pytest.raises(DataError, match=r"dataset.reference_labels: expected reference_images beside it, got none"):
        arrays(root=root, images=files["images"], reference_labels=files["reference_labels"])


def test_reference_of_other_channels_is_refused(
    root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]
) -> None:
    with pytest.raises(DataError, match=r"test_images.npy: expected 3 channels as in training, got 1"):
        arrays(
            root=root,
            images=saved("images", pixels(5, 3, 8, 8)),
            reference_images=saved("reference", pixels(5, 1, 8, 8)),
        )


def test_size(root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]) -> None:
    path = saved("images", pixels(20, 1, 9, 14))
    assert arrays(root=root, images=path, image_size=10).train.shape == (18, 1, 10, 10)
    with pytest.raises(DataError, match=r"dataset.image_size: expected a number, as the images of arrays are 9 x 14"):
        arrays(root=root, images=path)
    other = saved("other", pixels(20, 1, 9, 9))
    square = saved("square", pixels(20, 1, 14, 14))
    with pytest.raises(DataError, match="are 9 x 9 and 14 x 14, got null"):
        arrays(root=root, images=square, reference_images=other)
    both = arrays(root=root, images=square, reference_images=other, image_size=14)
    assert both.train.shape == both.reference.shape == (20, 1, 14, 14)


def test_one_pixel_and_two_images_are_enough(root: Path, saved: Callable[..., Path]) -> None:
    images = np.array([3, 200], np.uint8).reshape(2, 1, 1, 1)
    data = arrays(root=root, images=saved("images", images), image_size=4)
    assert sorted([np.unique(data.train).tolist(), np.unique(data.reference).tolist()]) == [[3], [200]]
    with pytest.raises(DataError, match="arrays: expected at least 2 images, so that one can be held out, got 1"):
        arrays(root=root, images=saved("one", images[:1]))


def test_changed_file_is_prepared_again(
    root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]
) -> None:
    first = arrays(root=root, images=saved("images", pixels(20, 1, 8, 8)))
    second = arrays(root=root, images=saved("images", pixels(20, 1, 8, 8, seed=1)))
    assert first.fingerprint != second.fingerprint
    assert first.name != second.name
    assert first.cache_dir != second.cache_dir
    third = arrays(root=root, images=saved("moved", pixels(20, 1, 8, 8)), name="arrays")
    assert (third.fingerprint, third.name) == (first.fingerprint, first.name)


def test_prepared_source_is_not_opened_again(
    root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved("images", pixels(20, 1, 8, 8))
    first = arrays(root=root, images=path)
    monkeypatch.setattr("ganexp.dataset.own._split", None)
    assert arrays(root=root, images=path).fingerprint == first.fingerprint


def test_files_are_checked(root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]) -> None:
    good = saved("images", pixels(20, 1, 8, 8))
    with pytest.raises(DataError, match=r"dataset.images: expected an npy or npz file, got .*none.npy: No such file"):
        arrays(root=root, images=root / "none.npy")
    with pytest.raises(DataError, match=r"four.npy: expected uint8 images .* got uint8 of shape \(20, 4, 8, 8\)"):
        arrays(root=root, images=saved("four", pixels(20, 4, 8, 8)))
    with pytest.raises(DataError, match=r"few.npy: expected one label for each of 20 images, got 19"):
        arrays(root=root, images=good, labels=saved("few", np.arange(19)))
    with pytest.raises(DataError, match=r"real.npy: expected labels that are whole numbers"):
        arrays(root=root, images=good, labels=saved("real", np.full(20, 0.5)))
    with pytest.raises(DataError, match=r"negative.npy: expected labels in 0 .. 65535, got -1"):
        arrays(root=root, images=good, labels=saved("negative", np.full(20, -1)))
    huge = saved("huge", np.full(20, 2**64 - 1, np.uint64))
    with pytest.raises(DataError, match=r"huge.npy: expected labels in 0 .. 65535, got 18446744073709551615"):
        arrays(root=root, images=good, labels=huge)
    assert not list((root / "prepared").rglob("*.npy"))


def test_any_order_in_memory_gives_the_same(
    root: Path, saved: Callable[..., Path], pixels: Callable[..., np.ndarray]
) -> None:
    images = pixels(20, 3, 8, 8)
    first = arrays(root=root, images=saved("images", images))
    second = arrays(root=root, images=saved("fortran", np.asfortranarray(images)))
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(("place", "file"), [("", "breastmnist"), ("medmnist", "pathmnist.npz")])
def test_medmnist_is_found_under_the_root(root: Path, place: str, file: str, pixels: Callable[..., np.ndarray]) -> None:
    shape = (28, 28) if file.startswith("breast") else (28, 28, 3)
    parts = {"train": 30, "val": 6, "test": 12}
    images = {f"{part}_images": pixels(count, *shape, seed=count) for part, count in parts.items()}
    labels = {f"{part}_labels": (np.arange(count) % 3)[:, None].astype(np.uint8) for part, count in parts.items()}
    (root / place).mkdir(parents=True)
    np.savez(root / place / f"{file.removesuffix('.npz')}.npz", **images, **labels)
    data = medmnist(root=root, file=Path(file))
    channels = images["train_images"].reshape(30, 28, 28, -1).transpose(0, 3, 1, 2)
    assert np.array_equal(data.train, channels)
    assert (len(data.reference), data.num_classes, data.reference_origin) == (12, 3, "test split")
    assert data.train_labels is not None
    assert data.train_labels.tolist() == [0, 1, 2] * 10
    assert data.name.startswith(f"{file.removesuffix('.npz')}-")


def test_medmnist_that_is_missing_or_has_several_labels_says_the_next_step(
    root: Path, pixels: Callable[..., np.ndarray]
) -> None:
    with pytest.raises(DataError, match=rf"dataset.file: expected MedMNIST's pathmnist.npz in {root} .*zenodo.org"):
        medmnist(root=root, file=Path("pathmnist"))
    root.mkdir()
    several = np.eye(14, dtype=np.uint8)[np.arange(8) % 14] | 1
    np.savez(root / "chestmnist.npz", train_images=pixels(8, 28, 28), train_labels=several)
    with pytest.raises(DataError, match=r"chestmnist.npz.*choose one column"):
        medmnist(root=root, file=Path("chestmnist"))


def test_names_in_capitals_and_the_number_of_images_last(
    root: Path, tmp_path: Path, pixels: Callable[..., np.ndarray]
) -> None:
    images, labels = pixels(30, 3, 8, 8), np.arange(30) % 3
    np.savez(tmp_path / "svhn.npz", X_train=images.transpose(2, 3, 1, 0), Y_train=labels)
    data = arrays(root=root, images=tmp_path / "svhn.npz")
    assert (len(data.train) + len(data.reference), data.train.shape[1:], data.num_classes) == (30, (3, 8, 8), 3)
    np.savez(tmp_path / "plain.npz", images=images, labels=labels)
    assert np.array_equal(arrays(root=root, images=tmp_path / "plain.npz").train, data.train)


@pytest.mark.parametrize("test", [True, False])
def test_validation_is_held_out_where_there_is_no_test_and_else_left_aside(
    test: bool, root: Path, tmp_path: Path, pixels: Callable[..., np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    parts = {"train": 30, "val": 6} | ({"test": 12} if test else {})
    images = {f"x_{part}": pixels(count, 8, 8, seed=count) for part, count in parts.items()}
    labels = {f"y_{part}": np.arange(count) % 3 for part, count in parts.items()}
    np.savez(tmp_path / "mine.npz", **images, **labels)
    data = arrays(root=root, images=tmp_path / "mine.npz")
    held = "test" if test else "val"
    assert np.array_equal(data.reference[:, 0], images[f"x_{held}"])
    assert data.reference_labels is not None and data.reference_labels.tolist() == labels[f"y_{held}"].tolist()
    assert ("x_val is left aside" in caplog.text) == test
