from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganexp.dataset import cifar10, digits, fashion_mnist, mnist, npy
from ganexp.dataset import named as sources_module
from ganexp.dataset.fetch import FetchError
from ganexp.types.errors import DataError
from warm import Command


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FetchError("URLError: no network")

    monkeypatch.setattr(sources_module, "download", refuse)


def test_digits_are_bundled(root: Path) -> None:
    data = digits(root=root)
    assert data.name == "digits"
    assert data.image_shape == (1, 28, 28)
    assert (len(data.train), len(data.reference)) == (899, 898)
    assert data.num_classes == 10
    assert data.reference_origin == "fixed stratified half of the data"
    assert data.cache_dir == root / "prepared" / "digits"
    assert isinstance(data.train, np.memmap)
    original = np.load(data.cache_dir / "train_images.npy", allow_pickle=False)
    labels = np.load(data.cache_dir / "train_labels.npy", allow_pickle=False)
    assert original.shape == (1797, 1, 8, 8)
    assert (original.min(), original.max()) == (0, 255)
    assert (labels.dtype, labels.shape) == (np.int64, (1797,))
    assert data.train_labels is not None
    assert data.reference_labels is not None
    assert np.array_equal(np.sort(np.concatenate([data.train_labels, data.reference_labels])), np.sort(labels))
    assert np.abs(np.bincount(data.train_labels) - np.bincount(data.reference_labels)).max() <= 2


def test_digits_parts_do_not_overlap_and_pixels_keep_their_scale(root: Path) -> None:
    from sklearn.datasets import load_digits

    data = digits(root=root, image_size=8)
    bundled, labels = load_digits(return_X_y=True)
    together = np.concatenate([data.train, data.reference]).reshape(-1, 64).astype(int)
    assert np.array_equal(np.unique(together, axis=0), np.unique(np.rint(bundled * 255 / 16).astype(int), axis=0))
    train = {image.tobytes() for image in data.train}
    assert not train & {image.tobytes() for image in data.reference}
    assert data.train_labels is not None
    assert data.train_labels[0] in labels


def test_second_use_reads_prepared_files_only(root: Path) -> None:
    first = digits(root=root)
    code = (
        "import sys, json; from pathlib import Path; import ganexp.dataset\n"
        "heavy = ('torch', 'torchvision', 'sklearn', 'PIL')\n"
        "assert not [m for m in heavy if m in sys.modules], 'import'\n"
        "data = ganexp.dataset.digits(root=Path(sys.argv[1]))\n"
        "assert not [m for m in heavy if m in sys.modules], 'use'\n"
        "print(data.fingerprint)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == first.fingerprint


def test_mnist_is_read_in_place_and_prepared(root: Path, write_idx: Callable[..., dict[str, np.ndarray]]) -> None:
    raw = write_idx(root / "MNIST" / "raw")
    data = mnist(root=root)
    assert np.array_equal(data.train[:, 0], raw["train-images-idx3-ubyte"])
    assert np.array_equal(data.reference[:, 0], raw["t10k-images-idx3-ubyte"])
    assert np.array_equal(data.train_labels, raw["train-labels-idx1-ubyte"])
    assert np.array_equal(data.reference_labels, raw["t10k-labels-idx1-ubyte"])
    assert data.reference_origin == "test split"
    assert isinstance(data.train, np.memmap)
    assert Path(data.train.filename) == root / "prepared" / "mnist" / "train_images.npy"
    shutil.rmtree(root / "MNIST")
    assert mnist(root=root).fingerprint == data.fingerprint


def test_mnist_and_fashion_mnist_have_folders_of_their_own(
    root: Path, write_idx: Callable[..., dict[str, np.ndarray]]
) -> None:
    write_idx(root / "MNIST" / "raw", 30)
    write_idx(root / "FashionMNIST" / "raw", 40)
    assert (len(mnist(root=root).train), len(fashion_mnist(root=root).train)) == (30, 40)
    assert {path.name for path in (root / "prepared").iterdir()} == {"mnist", "fashion_mnist"}


@pytest.mark.usefixtures("offline")
def test_without_files_and_network_the_message_says_what_goes_where(root: Path) -> None:
    with pytest.raises(DataError) as caught:
        fashion_mnist(root=root)
    message = str(caught.value)
    for part in (
        f"no FashionMNIST under {root}",
        "URLError: no network",
        f"into {root}/FashionMNIST/raw: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte",
        f"into {root}/prepared/fashion_mnist: train_images.npy, test_images.npy (uint8, N x 1 x 28 x 28)",
        "GANEXP_DATA",
    ):
        assert part in message
    with pytest.raises(DataError, match=r"cifar-10-batches-py: data_batch_1 .*(?s:.)*N x 3 x 32 x 32"):
        cifar10(root=root)


@pytest.mark.usefixtures("offline")
def test_incomplete_raw_files_count_as_none(root: Path, write_idx: Callable[..., dict[str, np.ndarray]]) -> None:
    write_idx(root / "MNIST" / "raw")
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="no MNIST under"):
        mnist(root=root)


def test_damaged_raw_file_is_named_and_nothing_is_prepared(
    root: Path, write_idx: Callable[..., dict[str, np.ndarray]]
) -> None:
    write_idx(root / "MNIST" / "raw")
    images = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"MNIST/raw/train-images-idx3-ubyte: expected 23536 bytes .* got 23535"):
        mnist(root=root)
    assert not list(root.rglob("*.npy"))
    write_idx(root / "MNIST" / "raw")
    labels = root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0a")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: expected labels in 0 .. 9, got 0 .. 10"):
        mnist(root=root)
    assert not list(root.rglob("*.npy"))


def test_hand_made_prepared_files_are_checked(root: Path, hand_prepared: Callable[..., Path]) -> None:
    folder = hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    assert len(mnist(root=root).train) == 20
    np.save(folder / "train_images.npy", np.zeros((20, 3, 28, 28), np.uint8))
    with pytest.raises(DataError, match=r"train_images.npy: expected 1 channels \(mnist\), got 3"):
        mnist(root=root)
    np.save(folder / "train_images.npy", np.zeros((21, 1, 28, 28), np.uint8))
    with pytest.raises(DataError, match=r"train_labels.npy: expected one label for each of 21 images, got 20 labels"):
        mnist(root=root)
    (folder / "train_labels.npy").unlink()
    with pytest.raises(DataError, match=r"train_labels.npy: expected int64 labels beside train_images.npy"):
        mnist(root=root)


def test_missing_test_split_is_refused(root: Path, hand_prepared: Callable[..., Path]) -> None:
    hand_prepared(root, "mnist", (1, 28, 28), 20, None)
    with pytest.raises(DataError, match=r"test_images.npy: expected the test split"):
        mnist(root=root)


def test_cifar10_with_incomplete_test_split_holds_out_a_tenth(root: Path, hand_prepared: Callable[..., Path]) -> None:
    folder = hand_prepared(root, "cifar10", (3, 32, 32), 200, 10)
    data = cifar10(root=root)
    assert (len(data.train), len(data.reference)) == (180, 20)
    assert data.reference_labels is not None
    assert np.bincount(data.reference_labels).tolist() == [2] * 10
    assert "tenth" in data.reference_origin
    assert isinstance(data.train, np.memmap)
    whole = np.load(folder / "train_images.npy", allow_pickle=False)
    rows = {image.tobytes(): row for row, image in enumerate(whole)}
    train, held = ([rows[image.tobytes()] for image in part] for part in (data.train, data.reference))
    assert sorted(train + held) == list(range(200))
    assert train == sorted(train)  # the source's order
    cut = cifar10(root=root, num_images=7)
    assert np.array_equal(cut.train, data.train[:7])
    assert np.array_equal(cut.reference, data.reference)


def test_cifar10_with_complete_test_split_holds_that_out(
    root: Path, hand_prepared: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganexp.dataset.named.CIFAR10_TEST_IMAGES", 10)
    hand_prepared(root, "cifar10", (3, 32, 32), 200, 10)
    data = cifar10(root=root)
    assert (len(data.train), len(data.reference), data.reference_origin) == (200, 10, "test split")


def test_resizing_is_done_once_and_mapped(
    root: Path, hand_prepared: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    data = mnist(root=root, image_size=16)
    assert data.train.shape == (20, 1, 16, 16)
    assert data.reference.shape == (10, 1, 16, 16)
    monkeypatch.setattr("ganexp.dataset.load.resized", None)
    again = mnist(root=root, image_size=16)
    assert isinstance(again.train, np.memmap)
    assert np.array_equal(again.train, data.train)
    assert again.fingerprint == data.fingerprint


def test_changed_prepared_files_are_not_served_from_derived_ones(
    root: Path, hand_prepared: Callable[..., Path]
) -> None:
    folder = hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    before = mnist(root=root, image_size=16)
    np.save(folder / "train_images.npy", np.full((20, 1, 28, 28), 7, np.uint8))
    after = mnist(root=root, image_size=16)
    assert np.unique(after.train).tolist() == [7]
    assert after.fingerprint != before.fingerprint


def test_damaged_derived_file_is_named(root: Path, hand_prepared: Callable[..., Path]) -> None:
    folder = hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    mnist(root=root, image_size=16)
    derived = next(folder.glob("train_16px_*.npy"))
    derived.write_bytes(derived.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{derived.name}: expected \d+ bytes"):
        mnist(root=root, image_size=16)
    np.save(derived, np.zeros((19, 1, 16, 16), np.uint8))
    with pytest.raises(DataError, match=r"expected shape \(20, 1, 16, 16\), got \(19, 1, 16, 16\).*delete it"):
        mnist(root=root, image_size=16)


def test_num_images_is_a_view_of_the_first(root: Path, hand_prepared: Callable[..., Path]) -> None:
    hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    data, cut = mnist(root=root), mnist(root=root, num_images=5)
    assert np.array_equal(cut.train, data.train[:5])
    assert cut.train_labels is not None
    assert len(cut.train_labels) == 5
    assert len(cut.reference) == 10
    assert isinstance(cut.train, np.memmap)
    assert not cut.train.flags.owndata
    assert mnist(root=root, num_images=20).fingerprint == data.fingerprint
    with pytest.raises(DataError, match=r"dataset.num_images: expected at most 20 for mnist, got 21"):
        mnist(root=root, num_images=21)


def test_fingerprint_is_of_content_not_of_place(tmp_path: Path, hand_prepared: Callable[..., Path]) -> None:
    hand_prepared(tmp_path / "a", "mnist", (1, 28, 28), 20, 10)
    time.sleep(0.01)
    hand_prepared(tmp_path / "b", "mnist", (1, 28, 28), 20, 10)
    first, second = mnist(root=tmp_path / "a"), mnist(root=tmp_path / "b")
    assert first.fingerprint == second.fingerprint
    prints = {first.fingerprint, mnist(root=tmp_path / "a", num_images=5).fingerprint}
    prints |= {mnist(root=tmp_path / "a", image_size=size).fingerprint for size in (16, 32)}
    labels = tmp_path / "b" / "prepared" / "mnist" / "test_labels.npy"
    np.save(labels, np.zeros(10, np.int64))
    prints.add(mnist(root=tmp_path / "b").fingerprint)
    assert len(prints) == 5


def test_fingerprint_is_the_same_on_every_machine(root: Path) -> None:
    assert digits(root=root, image_size=8).fingerprint.startswith("b7a5dbfc6a995df8")


def test_unwritable_root_with_raw_files(
    root: Path,
    cache_home: Path,
    write_idx: Callable[..., dict[str, np.ndarray]],
    unwritable: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_idx(root / "MNIST" / "raw")
    unwritable(root)
    data = mnist(root=root)
    assert data.cache_dir.is_relative_to(cache_home)
    assert not (root / "prepared").exists()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert str(data.cache_dir) in caplog.text
    caplog.clear()
    again = mnist(root=root)
    assert (again.cache_dir, again.fingerprint) == (data.cache_dir, data.fingerprint)
    assert len(caplog.records) == 1
    assert str(data.cache_dir) in caplog.text


def test_unwritable_root_with_prepared_files(
    root: Path,
    cache_home: Path,
    hand_prepared: Callable[..., Path],
    unwritable: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    before = sorted(path.name for path in folder.iterdir())
    unwritable(root)
    data = mnist(root=root, image_size=16)
    assert data.cache_dir.is_relative_to(cache_home)
    assert len(list(data.cache_dir.glob("*_16px_*.npy"))) == 2
    assert not list(data.cache_dir.glob("train_images.npy"))
    assert len(caplog.records) == 1
    assert sorted(path.name for path in folder.iterdir()) == before
    whole = mnist(root=root)
    assert isinstance(whole.train, np.memmap)
    assert Path(whole.train.filename) == folder / "train_images.npy"


def test_derived_files_of_an_unwritable_root_are_used(
    root: Path, hand_prepared: Callable[..., Path], unwritable: Callable[[Path], None]
) -> None:
    hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    made = mnist(root=root, image_size=16)
    unwritable(root)
    data = mnist(root=root, image_size=16)
    assert isinstance(made.train, np.memmap)
    assert isinstance(data.train, np.memmap)
    assert data.train.filename == made.train.filename
    assert data.cache_dir != made.cache_dir


def test_an_interrupted_preparation_does_not_look_complete(
    root: Path, write_idx: Callable[..., dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(root / "MNIST" / "raw")
    write, written = npy.write, list[str]()

    def interrupted(path: Path, *rest: Any) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path.name)
        write(path, *rest)

    monkeypatch.setattr(npy, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist(root=root)
    assert len(written) == 3
    monkeypatch.setattr(npy, "write", write)
    assert len(mnist(root=root).reference) == 10


def test_nothing_writable_is_refused(
    tmp_path: Path, root: Path, hand_prepared: Callable[..., Path], unwritable: Callable[[Path], None]
) -> None:
    hand_prepared(root, "mnist", (1, 28, 28), 20, 10)
    unwritable(tmp_path)
    with pytest.raises(DataError, match=r"dataset.root: expected a folder that can be written, got none.*user-cache"):
        mnist(root=root)


def test_eight_processes_prepare_once(
    root: Path, write_idx: Callable[..., dict[str, np.ndarray]], start: Callable[..., Command], tmp_path: Path
) -> None:
    write_idx(root / "MNIST" / "raw", 2000, 500)
    code = (
        "import sys, logging; logging.basicConfig(level=logging.INFO); from pathlib import Path\n"
        "from ganexp.dataset import mnist\n"
        "data = mnist(root=Path(sys.argv[1]), image_size=32); print(data.fingerprint, int(data.train.sum()))"
    )
    (tmp_path / "prepare.py").write_text(code)
    processes = [start(str(root), module="prepare") for _ in range(8)]
    results = [process.communicate() for process in processes]
    assert {process.returncode for process in processes} == {0}
    assert len({out for out, _ in results}) == 1
    assert "".join(log for _, log in results).count("preparing mnist") == 1
    folder = root / "prepared" / "mnist"
    assert len(json.loads((folder / "digests.json").read_text())) == 4
    assert not list(folder.glob(".*.tmp*"))
    assert len(list(folder.glob("*.npy"))) == 6
