"""Derived seeds, and the seeding of torch."""

import torch

from ganexp.types.rng import derive, reseed


def test_each_use_has_a_seed_of_its_own():
    uses = [(0, "step", 1), (0, "step", 2), (1, "step", 1), (0, "steps", 1), (0, "step", 1, 2), (0, "step", 12)]
    seeds = {derive(*use) for use in uses}
    assert len(seeds) == len(uses)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(0, "step", 1) == derive(0, "step", 1)


def test_reseeding_is_what_manual_seed_is_for_the_processor():
    draws = []
    for seed in (lambda: torch.manual_seed(2**62 + 1), lambda: reseed(torch.device("cpu"), 2**62 + 1)):
        torch.randn(3)
        seed()
        draws.append(torch.randn(5))
    assert torch.equal(*draws)
