"""What docs/datasets.md shows works as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from ganexp.config.target import validated
from ganexp.dataset.listing import EXTENSIONS
from ganexp.types.errors import ConfigError

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_own_dataset_function(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mylab.data")
    exec(block("python"), module.__dict__)
    monkeypatch.setitem(sys.modules, "mylab", ModuleType("mylab"))
    monkeypatch.setitem(sys.modules, "mylab.data", module)
    node = {**yaml.safe_load(block("yaml")), "root": str(root)}
    data = validated("dataset", node, ["mylab.*"]).build()
    assert (data.train.shape, data.reference.shape) == ((1800, 1, 28, 28), (200, 1, 28, 28))
    assert isinstance(data.train, np.memmap)
    assert data.cache_dir == root / "prepared" / "discs-2000"
    with pytest.raises(ConfigError, match=r"dataset\.count.*got 1"):
        validated("dataset", {**node, "count": 1}, ["mylab.*"])
    with pytest.raises(ConfigError, match=r"trust=\[mylab\.\*\]"):
        validated("dataset", node, [])


def test_extensions_are_those_of_the_code() -> None:
    assert f"`{' '.join(EXTENSIONS)}`" in PAGE
