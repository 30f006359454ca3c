"""What CONTRIBUTING.md shows under "Adding an option", copied into a checkout as a reader would, works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
KEPT = ("CONTRIBUTING.md", "Makefile", "README.md", "conf", "docs", "pyproject.toml", "src", "tests")
TABLES = {"loss": "## Losses", "penalty": "## Penalties", "model": "## Networks"}  # in docs/zoo.md
IMPORTS = {"loss": "tests/test_loss.py", "penalty": "tests/test_penalty.py", "model": "tests/model/test_model.py"}


def blocks_of(part: str) -> list[tuple[str, str]]:
    """(language, text) of the blocks below "**A part**"."""
    (section,) = re.findall(rf"^\*\*A {part}\*\*(.*?)(?=^\*\*A )", PAGE, re.DOTALL | re.MULTILINE)
    return re.findall(r"^```(\w+)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def insert(path: Path, text: str, after: str) -> None:
    """Put `text` behind the first match of `after`."""
    old = path.read_text()
    found = re.search(after, old, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{path}: {after}"
    path.write_text(old[: found.end()] + text + old[found.end() :])


def put(block: str, part: str) -> None:
    """A block whose first line names its file: a new file, a row or an entry of a table, or a function."""
    first, text = block.split("\n", 1)
    path = Path(re.findall(r"[\w/]+\.\w+", first)[0])
    if not path.exists():
        path.write_text(text)
    elif path.suffix == ".md":
        insert(path, text, rf"^{TABLES[part]}\n.*?\|\n(?=\n)")
    elif text.startswith("    "):
        insert(path, text, r".*?\n(?=\}\n)")
    elif path.parts[0] == "src":
        insert(path, f"{text}\n\n", r".*?(?=^OPTIONS = )")
    else:
        path.write_text(f"{path.read_text()}\n\n{text}")


def name_it(first: str, part: str) -> None:
    """The words before the blocks: the function's name in `OPTIONS`, and where it is imported."""
    where, name = re.findall(r"src/ganexp/([\w/]+)\.py", first)[0], re.findall(r"^def (\w+)", first, re.MULTILINE)[0]
    package, _, module = where.rpartition("/")
    if part == "metric":
        init = Path("src/ganexp/metrics/__init__.py")
        insert(init, f'    "{module}": ("{name}",),\n', r"^_MODULES = [^\n]*\n")
        insert(init, f'_NAMES += ("{name}",)\n', r"^_NAMES \+= [^\n]*\n")
    else:
        home = Path(f"src/ganexp/{package}/__init__.py") if package else Path(f"src/ganexp/{part}.py")
        insert(home, f"{name}, ", r"^OPTIONS = \(")
        if package:
            insert(home, f"from ganexp.{package}.{module} import {name}\n", r".*?(?=^from ganexp)")
    if part in IMPORTS:
        insert(Path(IMPORTS[part]), f"{name}, ", rf"^from ganexp\.{part} import ")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["loss", "penalty", "model", "metric", "data set"])
def test_a_part_is_added_as_shown(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEPT:
        kept = ROOT / name
        (shutil.copytree if kept.is_dir() else shutil.copy)(kept, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(part)
    commands = [line[2:] for language, text in blocks for line in text.splitlines() if language == "console"]
    shown = [text for language, text in blocks if language != "console"]
    for block in shown:
        put(block, part)
    name_it(shown[0], part)
    env = {**os.environ, "PYTHONPATH": "src", "OMP_NUM_THREADS": "1", "GANEXP_DATA": str(tmp_path / "data")}
    assert [command.split()[2] for command in commands] == ["ganexp", "pytest"]
    for command in commands:
        done = subprocess.run([sys.executable, *shlex.split(command)[1:]], env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        print(command, *done.stdout.splitlines()[-8:], sep="\n")  # with pytest -s
