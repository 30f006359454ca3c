"""How torch is set up for a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ganexp.trainer.build import set_up_torch
from helpers import make_spec


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Inside, torch has two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("asked", "in_sweep", "cores", "expected"),
    [("null", False, 1, 1), ("null", False, 8, 2), ("null", True, 8, 1), ("3", False, 1, 3)],
)
def test_threads_are_those_of_the_container_unless_they_are_given(
    asked: str, in_sweep: bool, cores: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganexp.trainer.build.cores", lambda: cores)
    set_up_torch(make_spec(tmp_path, f"trainer.threads={asked}", "trainer.device=cpu", in_sweep=in_sweep))
    assert torch.get_num_threads() == expected
