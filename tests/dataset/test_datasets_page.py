"""What docs/datasets.md shows works as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from PIL import Image

from ganexp.config.run_config import load
from ganexp.config.run_spec import load_dataset
from ganexp.config.target import validated
from ganexp.dataset.listing import EXTENSIONS
from ganexp.types.errors import ConfigError
from helpers import compose_config

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


def test_lines_of_the_page_compose_and_read_their_data(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random, labels = np.random.default_rng(0), np.arange(40) % 4
    grey, colour = random.integers(0, 256, (40, 28, 28), np.uint8), random.integers(0, 256, (40, 28, 28, 3), np.uint8)
    for name in ("faces", "x"):
        np.save(f"{name}.npy", grey[:, None])
    np.save("y.npy", labels)
    np.savez("pathmnist.npz", train_images=colour, train_labels=labels[:, None], test_images=colour, test_labels=labels)
    np.savez("kmnist-train-imgs.npz", grey)
    np.savez("kmnist-train-labels.npz", labels)
    for folder in ("pictures", "photos"):
        Path(folder).mkdir()
        for number, pixels in enumerate(colour):
            Image.fromarray(pixels[: 20 + number % 3]).save(f"{folder}/{number}.jpg")
    lines = re.findall(r"^    python -m ganexp (dataset=(?:arrays|image_folder|medmnist) .*)$", PAGE, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        config = load(compose_config(*line.split(), f"dataset.root={root}", "trainer.batch_size=8"))
        data = load_dataset(config.dataset)
        assert len(data.train) + len(data.reference) in (40, 80), line
