"""The matrix products of one training step alone: what no way of writing it can be faster than on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

Layers = tuple[tuple[int, int], ...]
"""Inputs and outputs of each layer."""

D_STEPS = 5
GENERATOR = ((100, 512), (512, 1024), (1024, 784))
DISCRIMINATOR = ((784, 512), (512, 512), (256, 1))


def products(batch: int, kind: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Both factors of every product of a step, in memory as autograd has them."""
    found = _forward(D_STEPS * batch, GENERATOR, kind)  # the images of all discriminator steps
    for _ in range(D_STEPS):
        found += _forward(2 * batch, DISCRIMINATOR, kind) + _to_weights(2 * batch, DISCRIMINATOR, kind)
        found += _to_inputs(2 * batch, DISCRIMINATOR[1:], kind)
    found += _forward(batch, GENERATOR, kind) + _forward(batch, DISCRIMINATOR, kind)
    found += _to_inputs(batch, DISCRIMINATOR, kind)
    return found + _to_weights(batch, GENERATOR, kind) + _to_inputs(batch, GENERATOR[1:], kind)


def _forward(rows: int, layers: Layers, kind: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(rows, i).to(kind), torch.randn(o, i).to(kind).t()) for i, o in layers]


def _to_weights(rows: int, layers: Layers, kind: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(rows, o).to(kind).t(), torch.randn(rows, i).to(kind)) for i, o in layers]


def _to_inputs(rows: int, layers: Layers, kind: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(rows, o).to(kind), torch.randn(o, i).to(kind)) for i, o in layers]


def prepare(batch: int, root: str, precision: str) -> Callable[[float], float]:
    """A function seconds -> images/s that multiplies for about so long."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    pairs = products(batch, kind)
    results = [torch.empty(len(left), right.shape[1], dtype=kind) for left, right in pairs]

    def run(seconds: float) -> float:
        steps, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            for (left, right), result in zip(pairs, results, strict=True):
                torch.mm(left, right, out=result)
            steps += 1
        return steps * batch / (time.perf_counter() - started)

    return run
