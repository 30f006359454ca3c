import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ganexp.metrics.classifiers import classifier
from ganexp.metrics.extractor import Extractor, cached_features
from ganexp.metrics.numerics import each_block, seeded
from ganexp.types import Dataset


def counting(calls: list[tuple[int, ...]], digest: str = "d" * 64) -> Extractor:
    def network(images: Tensor) -> Tensor:
        calls.append(tuple(images.shape))
        return images.float().flatten(1)[:, :3]

    return Extractor("counting", digest, network, dim=3, block=4)


def test_blocks_are_padded_and_the_padding_is_cut_off() -> None:
    calls: list[tuple[int, ...]] = []
    images = np.random.RandomState(0).randint(0, 256, (10, 1, 2, 2)).astype(np.uint8)
    found = counting(calls).features(images)
    assert set(calls) == {(4, 1, 2, 2)} and len(calls) == 3
    np.testing.assert_array_equal(found.numpy(), images.reshape(10, 4)[:, :3])


def test_features_do_not_depend_on_company_or_threads_and_leave_torch_as_it_was(digits: Dataset) -> None:
    extractor = classifier(digits, torch.device("cpu"))
    images = np.asarray(digits.reference[:600])
    state = torch.get_rng_state()
    every = extractor.features(images)
    assert torch.equal(extractor.features(images[300:310]), every[300:310])
    torch.set_num_threads(3)
    try:
        assert torch.equal(extractor.features(images), every)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert every.shape == (600, 128)


def test_real_features_are_computed_once(tmp_path: Path) -> None:
    calls: list[tuple[int, ...]] = []
    images = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
    first = cached_features(counting(calls), images, tmp_path, "k" * 64)
    assert len(calls) == 2
    assert torch.equal(cached_features(counting(calls), images, tmp_path, "k" * 64), first)
    assert len(calls) == 2
    cached_features(counting(calls, digest="e" * 64), images, tmp_path, "k" * 64)
    cached_features(counting(calls), images, tmp_path, "l" * 64)
    assert len(calls) == 6


@pytest.mark.parametrize("damage", ["truncated", "empty", "other shape", "objects"])
def test_a_damaged_cache_is_made_again(damage: str, tmp_path: Path) -> None:
    calls: list[tuple[int, ...]] = []
    images = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
    first = cached_features(counting(calls), images, tmp_path, "k" * 64)
    (path,) = tmp_path.glob("features_*.npy")
    if damage == "truncated":
        os.truncate(path, path.stat().st_size - 5)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        np.save(path, np.zeros((5, 3), np.float32) if damage == "other shape" else np.array([{}] * 6, dtype=object))
    assert torch.equal(cached_features(counting(calls), images, tmp_path, "k" * 64), first)
    assert len(calls) == 4


def test_blocks_run_on_one_thread_each_and_results_keep_their_order() -> None:
    torch.set_num_threads(2)
    try:
        found = each_block(lambda start: (start, torch.get_num_threads()), 10, 3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert found == [(0, 1), (3, 1), (6, 1), (9, 1)]


def test_an_error_in_a_block_is_raised_and_threads_are_put_back() -> None:
    def fail(start: int) -> int:
        raise RuntimeError(f"block {start}")

    with pytest.raises(RuntimeError, match="block 0"):
        each_block(fail, 2, 1)
    assert torch.get_num_threads() == 1


def test_seeded_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
    cached_features(counting([]), images, tmp_path, "k" * 64)
    (path,) = tmp_path.glob("features_*.npy")
    path.rename(leftover := tmp_path / f".{path.stem}.0a1b2c3d.tmp.npy")
    cached_features(counting([]), images, tmp_path, "k" * 64)
    assert path.exists() and not leftover.exists()
