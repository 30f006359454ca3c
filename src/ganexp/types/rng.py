"""Randomness that is derived, never stored: every use seeds from (seed, purpose, numbers)."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive(seed: int, purpose: str, *numbers: int) -> int:
    """A 63-bit seed for one purpose, statistically independent of every other purpose and number.

    Args:
        seed: the run's seed.
        purpose: what the randomness is for, e.g. "step" or "permutation".
        numbers: which of them, e.g. the step.
    """
    text = f"{seed}/{purpose}/{'/'.join(map(str, numbers))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def reseed(device: torch.device, seed: int, *, everywhere: bool = False) -> None:
    """Seed torch's default generator of the processor, and of every other device where `device` is one.

    `torch.manual_seed` takes half a millisecond, because it records its caller for each absent device.

    Args:
        device: where the networks are.
        seed: as `derive` gives it.
        everywhere: also Python's and numpy's global generators, which ganexp does not draw from: for own code.
    """
    if everywhere:
        reseed_others(seed)
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def reseed_others(seed: int) -> None:
    """Seed Python's and numpy's global generators: neither with torch's numbers, nor with each other's."""
    random.seed(derive(seed, "python"))
    numbers = derive(seed, "numpy")
    np.random.seed([numbers >> 32, numbers & 0xFFFFFFFF])
