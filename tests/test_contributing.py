"""The map in CONTRIBUTING.md is the tree: each room is in it, and each file that it names exists."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ganexp"
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def rooms() -> set[str]:
    """Modules and packages at the root of src/ganexp."""
    packages = {f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")}
    return packages | {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}


def test_every_room_is_on_the_map_once_and_the_reverse() -> None:
    table = PAGE[PAGE.index("| room |") : PAGE.index("Imports point down")]
    first, second = zip(*(line.split("|")[1:3] for line in table.splitlines()[2:] if line), strict=True)
    named = re.findall(r"`([\w/]+)`", " ".join(first))
    assert len(named) == len(set(named))
    commands = {"cli"}  # named in the second column: it is no command
    assert {*named, *commands} == rooms()
    assert "`cli`" in " ".join(second)


def test_the_arrows_are_the_contract() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    commands, *layers = contract["layers"]
    assert " > ".join(["commands", *layers]) in PAGE
    names = {f"{room}/" if (SOURCE / room).is_dir() else room for layer in layers for room in layer.split(" | ")}
    assert names | set(commands.split(" : ")) == rooms()


def test_every_file_named_exists() -> None:
    prose = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)  # test_own_parts.py tries what is shown
    names = set(re.findall(r"[\w./-]+\.(?:py|yaml|md)\b", prose)) | set(re.findall(r"`([\w./-]+/)`", prose))
    places = (ROOT, SOURCE, SOURCE / "trainer", SOURCE / "sweep", SOURCE / "sweep" / "launchers")
    missing = {name for name in names if not any((place / name).exists() for place in places)}
    assert not missing
    assert len(names) > 30


def test_every_test_and_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z-]+)\b", PAGE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_functions_and_files_are_short() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 250, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 40, f"{path}: {node.name}"
