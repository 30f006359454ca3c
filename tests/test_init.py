from __future__ import annotations

import subprocess
import sys

import pytest

import ganexp


def test_every_public_name_is_there() -> None:
    assert [getattr(ganexp, name).__name__ for name in ganexp.__all__] == ganexp.__all__


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import ganexp, sys; print([n for n in ('torch', 'pandas', 'hydra', 'omegaconf') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ganexp.nothing  # noqa: B018
