"""constraints.txt against pyproject.toml: what is installed by is what may be installed."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNTESTED = ("wandb", "mlflow")
"""Extras that the suite does without."""


def requirements():
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in extras if name not in UNTESTED for line in extras[name])]
    return {canonicalize_name(item.name): item.specifier for item in map(Requirement, lines) if item.name != "ganexp"}


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines)


def test_every_requirement_of_the_suite_is_pinned_to_a_version_that_is_allowed():
    versions = pins()
    for name, specifier in requirements().items():
        assert name in versions, name
        assert specifier.contains(versions[name], prereleases=True), f"{name}: {versions[name]}, {specifier}"


def test_pins_are_names_and_versions_that_every_platform_has():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.split("==")[0])
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line
        assert not line.startswith(("nvidia-", "triton", "cuda-")), line


@pytest.mark.parametrize(
    "name", ["filelock", "hydra-core", "omegaconf", "optuna", "safetensors", "pydantic", "torch", "torchmetrics"]
)
def test_what_a_new_major_version_may_break_has_an_upper_bound(name):
    assert any(item.operator == "<" for item in requirements()[name]), name
