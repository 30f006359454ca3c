"""Downloads through torchvision, from a server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import pickle
import socket
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from ganexp.dataset import cifar10, cifar100, fashion_mnist, fetch, kmnist, mnist
from ganexp.types.errors import DataError

BATCHES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder and remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        asked = self.asked = list[str]()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_request(self, *_: object) -> None:
                asked.append(f"{self.command} {self.path}")

            def log_error(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    with Server(tmp_path / "served") as running:
        thread = threading.Thread(target=partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def point_to(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path, name: str = "MNIST") -> None:
    """Let torchvision download the gzipped files in `folder` from `url`."""
    kind = getattr(datasets, name)
    monkeypatch.setattr(kind, "mirrors", [url])
    monkeypatch.setattr(kind, "resources", [(path.name, md5(path)) for path in sorted(folder.glob("*.gz"))])


def test_mnist_is_downloaded_once(
    tmp_path: Path,
    root: Path,
    server: Server,
    write_idx: Callable[..., dict[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = write_idx(tmp_path / "served", zipped=True)
    point_to(monkeypatch, server.url, tmp_path / "served")
    data = mnist(root=root)
    assert np.array_equal(data.train[:, 0], content["train-images-idx3-ubyte"])
    assert np.array_equal(data.reference_labels, content["t10k-labels-idx1-ubyte"])
    assert {line.split(" ")[1] for line in server.asked} == {f"/{name}.gz" for name in content}
    assert {path.name for path in (root / "MNIST" / "raw").iterdir()} == set(content)
    assert {path.name for path in root.iterdir()} == {"MNIST", "prepared"}
    server.asked.clear()
    assert mnist(root=root).fingerprint == data.fingerprint
    assert server.asked == []


def test_archives_put_there_by_hand_need_no_network(
    root: Path, write_idx: Callable[..., dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_idx(root / "FashionMNIST" / "raw", zipped=True)
    point_to(monkeypatch, "http://127.0.0.1:9/", root / "FashionMNIST" / "raw", "FashionMNIST")
    assert np.array_equal(fashion_mnist(root=root).train[:, 0], content["train-images-idx3-ubyte"])


def test_kmnist_is_read_from_its_gzipped_files(
    root: Path, write_idx: Callable[..., dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_idx(root / "KMNIST" / "raw", zipped=True)
    point_to(monkeypatch, "http://127.0.0.1:9/", root / "KMNIST" / "raw", "KMNIST")
    data = kmnist(root=root)
    assert np.array_equal(data.train[:, 0], content["train-images-idx3-ubyte"])
    assert np.array_equal(data.reference_labels, content["t10k-labels-idx1-ubyte"])
    assert (data.num_classes, data.cache_dir.name, data.reference_origin) == (10, "kmnist", "test split")


def test_wrong_checksum_is_refused_and_leaves_nothing(
    tmp_path: Path,
    root: Path,
    server: Server,
    write_idx: Callable[..., dict[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_idx(tmp_path / "served", zipped=True)
    point_to(monkeypatch, server.url, tmp_path / "served")
    images = tmp_path / "served" / "train-images-idx3-ubyte.gz"
    images.write_bytes(images.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"no MNIST under .*could not be downloaded: .*not found or corrupted"):
        mnist(root=root)
    assert not [path for path in root.rglob("*") if path.is_file() and path.name != ".dataset.lock"]


def test_a_server_that_is_silent_or_absent_is_refused(
    tmp_path: Path, root: Path, write_idx: Callable[..., dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "served", zipped=True)
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        point_to(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/", tmp_path / "served")
        with pytest.raises(DataError, match=r"could not be downloaded: .*timed out"):
            mnist(root=root)
    with pytest.raises(DataError, match=r"could not be downloaded: .*Connection refused"):
        mnist(root=root)
    assert socket.getdefaulttimeout() is None


def test_torchvision_that_cannot_be_imported_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DataError, match="could not be downloaded: ModuleNotFoundError"):
        cifar10(root=root)


def test_full_disk_while_downloading_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets, "MNIST", full)
    with pytest.raises(OSError, match="No space left"):
        fetch.torchvision_dataset("MNIST", tmp_path, download=True)


def write_cifar10(folder: Path) -> dict[str, np.ndarray]:
    """CIFAR-10's batches with four images each, the test batch with three; gives the pixels by batch."""
    folder.mkdir(parents=True)
    pixels = {}
    for number, name in enumerate(BATCHES):
        count = 3 if name == "test_batch" else 4
        rows = np.random.default_rng(number).integers(0, 256, (count, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": list(range(count))}))
        pixels[name] = rows.reshape(-1, 3, 32, 32)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(label) for label in range(10)]}))
    return pixels


def know_cifar10(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let torchvision take the batches in `folder` for CIFAR-10's."""
    kind = datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [[name, md5(folder / name)] for name in BATCHES[:5]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", md5(folder / "test_batch")]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(folder / "batches.meta")})


def test_cifar10_is_read_from_its_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "cifar-10-batches-py"
    pixels = write_cifar10(folder)
    know_cifar10(monkeypatch, folder)
    data = cifar10(root=root)
    prepared = np.load(data.cache_dir / "train_images.npy", allow_pickle=False)
    assert np.array_equal(prepared, np.concatenate([pixels[name] for name in BATCHES[:5]]))
    assert np.array_equal(np.load(data.cache_dir / "test_images.npy", allow_pickle=False), pixels["test_batch"])
    assert data.train.shape == (18, 3, 32, 32)


class Hostile:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_cifar100_is_read_by_its_fine_labels_and_poisoned_files_are_not_opened(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kind = root / "cifar-100-python", datasets.CIFAR100
    folder.mkdir(parents=True)
    rows = np.random.default_rng(0).integers(0, 256, (103, 3072), dtype=np.uint8)
    content = {
        "train": {"data": rows[:100], "fine_labels": list(range(100)), "coarse_labels": [0] * 100},
        "test": {"data": rows[100:], "fine_labels": [7, 8, 99], "coarse_labels": [0] * 3},
        "meta": {"fine_label_names": [f"class {label}" for label in range(100)]},
    }
    for name, values in content.items():
        (folder / name).write_bytes(pickle.dumps(values))
    monkeypatch.setattr(kind, "url", "http://127.0.0.1:9/cifar.tar.gz")
    for key, name in (("train_list", "train"), ("test_list", "test")):
        monkeypatch.setattr(kind, key, [[name, md5(folder / name)]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(folder / "meta")})
    for name in content:
        (folder / name).write_bytes(pickle.dumps(Hostile(tmp_path / "executed")))
        with pytest.raises(DataError, match=r"no CIFAR100 under (?s:.)*prepared/cifar100"):
            cifar100(root=root)
        (folder / name).write_bytes(pickle.dumps(content[name]))
    assert not (tmp_path / "executed").exists()
    data = cifar100(root=root)
    prepared = [np.load(data.cache_dir / f"{part}.npy", allow_pickle=False) for part in ("train_images", "test_labels")]
    assert np.array_equal(prepared[0].reshape(100, -1), rows[:100])
    assert prepared[1].tolist() == [7, 8, 99]
    assert (data.num_classes, data.image_shape) == (100, (3, 32, 32))


def test_cifar10_is_downloaded(tmp_path: Path, root: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made" / "cifar-10-batches-py"
    write_cifar10(folder)
    know_cifar10(monkeypatch, folder)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, folder.name)
    (tmp_path / "served" / "cifar.tar.gz").write_bytes(buffer.getvalue())
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{server.url}cifar.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(tmp_path / "served" / "cifar.tar.gz"))
    damaged = root / "cifar-10-batches-py"
    damaged.mkdir(parents=True)
    (damaged / "data_batch_1").write_bytes(b"damaged")
    assert cifar10(root=root).train.shape == (18, 3, 32, 32)
    assert md5(damaged / "data_batch_1") == md5(folder / "data_batch_1")
    assert {path.name for path in root.iterdir()} == {"cifar-10-batches-py", "prepared"}


def test_damaged_cifar10_without_network_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "cifar-10-batches-py"
    write_cifar10(folder)
    know_cifar10(monkeypatch, folder)
    (folder / "test_batch").write_bytes(b"damaged")
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(DataError, match=r"no CIFAR10 under .*cifar-10-batches-py is there, but: .*corrupted"):
        cifar10(root=root)
