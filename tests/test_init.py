from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import ganexp


def test_every_public_name_is_there() -> None:
    assert [getattr(ganexp, name).__name__ for name in ganexp.__all__] == ganexp.__all__


def test_every_public_name_is_shown_and_typed() -> None:
    assert set(ganexp.__all__) <= set(dir(ganexp))
    tree = ast.parse(Path(ganexp.__file__).read_text())
    typed = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    homes = {alias.name: node.module for node in typed for alias in node.names if node.module != "importlib"}
    assert {name: homes[name] for name in ganexp.__all__} == ganexp._HOMES


def test_no_public_name_is_a_module() -> None:
    here = Path(ganexp.__file__).parent
    modules = {path.stem if path.suffix == ".py" else path.name for path in here.iterdir()}
    assert "trainer" in modules and "evaluate" in modules
    assert modules & set(ganexp.__all__) == set()
    for name in ganexp.__all__:
        assert not isinstance(getattr(ganexp, name), ModuleType), name


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import ganexp, sys; print([n for n in ('torch', 'pandas', 'hydra', 'omegaconf') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ganexp.nothing  # noqa: B018
