"""What runs are called, as version 0.1.0 did, and how values are labelled, as protocol 2: literals, in values.json."""

import importlib
import json
import re
from importlib.util import find_spec
from pathlib import Path

import material
import pytest

from ganexp.config.run_config import conf_dir, load
from ganexp.metrics import protocol
from ganexp.metrics.extractor import Extractor
from helpers import compose_config, make_spec

VALUES = json.loads((Path(__file__).parent / "values.json").read_text())
ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in ROOT.glob("**/*.md") if not any(part.startswith(".") for part in path.parts))


def identities(folder, name):
    """The run id and the trajectory id of a pinned configuration."""
    identity = make_spec(folder, *material.CONFIGURATIONS[name]).identity
    return [identity.run_id, identity.trajectory_id]


@pytest.fixture
def own(tmp_path, monkeypatch):
    material.write_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANEXP_DATA", str(tmp_path / "data"))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", material.CONFIGURATIONS)
def test_run_and_trajectory_are_called_as_ever(own, name):
    assert identities(own, name) == VALUES["ids"][name]


def protocol_of(name):
    """Digests of a metric's columns for an extractor, a count and a reference that are made up."""
    config = load(compose_config(f"metrics/score=[{name}]", f"metrics.objective={name}"))
    metric = config.scores[name].build()
    nobody = Extractor("made up", "0" * 64, 1, lambda images: images) if metric.extractor else None
    return protocol.describe({name: (metric, nobody)}, name, 64, "reference")["protocol"]


@pytest.mark.parametrize("name", VALUES["protocols"])
def test_values_of_a_metric_are_comparable_with_earlier_ones(name):
    assert protocol_of(name) == VALUES["protocols"][name]


def spelled():
    """Every `_target_` of the shipped configurations."""
    texts = [path.read_text() for path in conf_dir().glob("**/*.yaml")]
    return sorted(set(re.findall(r"_target_: *([\w.]+)", "\n".join(texts))))


def test_targets_are_spelled_as_ever():
    assert set(VALUES["targets"]) <= set(spelled())


@pytest.mark.parametrize("path", VALUES["targets"])
def test_a_target_is_defined_in_the_package_of_its_name(path):
    module, _, name = path.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    assert function.__qualname__ == name
    assert f"{function.__module__}.".startswith(f"{module}.")


def told():
    """Every import of ganexp that a page tells its reader to write; CONTRIBUTING's parts are test_own_parts' matter."""
    text = "\n".join(page.read_text() for page in PAGES if page.name != "CONTRIBUTING.md")
    lines = re.findall(r"\bfrom ganexp[\w.]* import (?:\([^)]*\)|[\w, ]+)|^import ganexp[\w.]*", text, re.MULTILINE)
    return sorted({re.sub(r"\s+", " ", line).strip() for line in lines})


@pytest.mark.parametrize("line", sorted({*told(), *VALUES["imports"]}))
def test_what_pages_tell_users_to_import_can_be_imported(line):
    exec(line, {})


def test_what_pages_tell_users_to_call_exists():
    text = "\n".join(page.read_text() for page in PAGES)
    for name in set(re.findall(r"\bpython -m (ganexp[\w.]*\w)", text)):
        assert find_spec(name), name
    import ganexp

    for name in set(re.findall(r"\bganexp\.(load_\w+)\(", text)):
        assert callable(getattr(ganexp, name)), name
