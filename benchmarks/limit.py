"""The matrix products of one training step alone: what no way of writing it can be faster than on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

D_STEPS = 5
GENERATOR = ((100, 512), (512, 1024), (1024, 784))
DISCRIMINATOR = ((784, 512), (512, 512), (256, 1))


def products(batch: int) -> list[tuple[int, int, int]]:
    """(m, k, n) of every product of a step: (m, k) times (k, n)."""
    found: list[tuple[int, int, int]] = []
    found += [(D_STEPS * batch, i, o) for i, o in GENERATOR]  # the images of all discriminator steps
    for _ in range(D_STEPS):
        found += _forward(2 * batch, DISCRIMINATOR) + _to_weights(2 * batch, DISCRIMINATOR)
        found += _to_inputs(2 * batch, DISCRIMINATOR[1:])
    found += _forward(batch, GENERATOR) + _forward(batch, DISCRIMINATOR) + _to_inputs(batch, DISCRIMINATOR)
    return found + _to_weights(batch, GENERATOR) + _to_inputs(batch, GENERATOR[1:])


def _forward(rows: int, layers: tuple[tuple[int, int], ...]) -> list[tuple[int, int, int]]:
    return [(rows, i, o) for i, o in layers]


def _to_weights(rows: int, layers: tuple[tuple[int, int], ...]) -> list[tuple[int, int, int]]:
    return [(o, rows, i) for i, o in layers]


def _to_inputs(rows: int, layers: tuple[tuple[int, int], ...]) -> list[tuple[int, int, int]]:
    return [(rows, o, i) for i, o in layers]


def prepare(batch: int, root: str, precision: str) -> Callable[[float], float]:
    """A function seconds -> images/s that multiplies for about so long."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    pairs = [(torch.randn(m, k).to(kind), torch.randn(k, n).to(kind)) for m, k, n in products(batch)]
    results = [torch.empty(m, n, dtype=kind) for m, _, n in products(batch)]

    def run(seconds: float) -> float:
        steps, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            for (left, right), result in zip(pairs, results, strict=True):
                torch.mm(left, right, out=result)
            steps += 1
        return steps * batch / (time.perf_counter() - started)

    return run
