"""Each dataset is one function and one YAML file, which agree."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import ganexp.dataset
from ganexp.config.target import validated
from ganexp.types.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "dataset"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))


def test_every_function_has_a_file() -> None:
    assert sorted(option.__name__ for option in ganexp.dataset.OPTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_file_has_the_function_s_parameters_and_defaults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANEXP_DATA", raising=False)
    node = OmegaConf.load(CONF / f"{name}.yaml")
    given = OmegaConf.to_container(node, resolve=True)
    assert isinstance(given, dict)
    module, _, function = str(given.pop("_target_")).rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), function)).parameters
    assert set(given) == set(parameters)
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    assert given["root"] == "data"
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty:
            assert key == "root" or given[key] == "???"
        else:
            assert given[key] == parameter.default


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../elsewhere"),
        ("name", ""),
        ("name", ".hidden"),
        ("name", "a/b"),
        ("image_size", 0),
        ("image_size", 1025),
        ("image_size", "large"),
        ("num_images", 0),
        ("num_images", 2.5),
        ("reference_fraction", 0),
        ("reference_fraction", 1),
        ("reference_fraction", float("nan")),
        ("channels", 4),
        ("path", None),
        ("colour", "red"),
    ],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    node = {"_target_": "ganexp.dataset.image_folder", "root": "data", "path": "pictures", key: value}
    with pytest.raises(ConfigError, match=rf"dataset\.{key}"):
        validated("dataset", node, [])


def test_values_in_range_are_taken() -> None:
    node = {"_target_": "ganexp.dataset.image_folder", "root": "data", "path": "pictures", "channels": 1}
    params = validated("dataset", node, []).params
    assert params["path"] == Path("pictures")
    assert params["channels"] == 1
    assert params["image_size"] == 32
