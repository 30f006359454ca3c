"""Randomness that is derived, never stored: every use seeds from (seed, purpose, numbers)."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive(seed: int, purpose: str, *numbers: int) -> int:
    """A 63-bit seed for one purpose, statistically independent of every other purpose and number.

    The `purpose` is e.g. "step" or "permutation"; `numbers` say which of them, e.g. the step.
    """
    text = f"{seed}/{purpose}/{'/'.join(map(str, numbers))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def reseed(device: torch.device, seed: int, *, everywhere: bool = False) -> None:
    """Seed torch's default generator of the CPU, and of every other device where `device` is not the CPU.

    `everywhere` also seeds Python's and numpy's global generators, which ganexp itself does not use: for own code. On
    the CPU it avoids `torch.manual_seed`, which is slow: it records its caller for each absent device.
    """
    if everywhere:
        reseed_others(seed)
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def reseed_others(seed: int) -> None:
    """Seed Python's and numpy's global generators, each with a seed of its own."""
    random.seed(derive(seed, "python"))
    numbers = derive(seed, "numpy")
    np.random.seed([numbers >> 32, numbers & 0xFFFFFFFF])
