"""Randomness that is derived, never stored: every use seeds from (seed, purpose, numbers)."""

from __future__ import annotations

import hashlib

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


def reseed(device: torch.device, seed: int) -> None:
    """Seed torch's default generator of the processor, and of every other device where `device` is one.

    Beside the processor's generator `torch.manual_seed` notes for each absent device from where it was called, which
    takes half a millisecond.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
