"""Arithmetic that gives the same digits everywhere: one thread, no reduced precision, nobody's random state touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def one_thread() -> Iterator[int]:
    """Run torch's linear algebra on one thread: a sum split over threads changes its last digits with their number.

    Yields the number of threads before, which is restored.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def each_block(work: Callable[[int], T], count: int, block: int, workers: int | None = None) -> list[T]:
    """`work(start)` for start = 0, block, 2 block ... below `count`, results in order.

    `workers` blocks run in parallel (None: as many as torch has threads), each on one thread: the numbers do not
    depend on how many threads there are.
    """
    with (
        one_thread() as threads,
        ThreadPoolExecutor(workers or threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        return list(pool.map(work, range(0, count, block)))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator inside the block, and restore its state after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """No TF32, no autotuning: convolutions that repeat to the last digit on a GPU too."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
