"""The structure of src/ganexp in figures: `python benchmarks/structure.py`, or `make structure`.

Imports are read from the syntax tree, those inside functions too. The way from `main()` to the first optimizer step of
`experiment=debug trainer.max_steps=1` is recorded by sys.setprofile in a process of its own: the calls of
functions, not what imports run.
"""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "ganexp"

LEVELS = (
    ("sweep",),
    ("trainer", "report"),
    ("metrics",),
    ("config", "dataset"),
    ("model", "loss", "penalty", "optim", "logger"),
    ("files",),
    ("types",),
)
"""The rooms, top to bottom; whatever else stands at the root is a command, above them all."""

HEIGHT = {room: len(LEVELS) - level for level, rooms in enumerate(LEVELS) for room in rooms}


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module."""
    names = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ("ganexp", *path.relative_to(SOURCE).with_suffix("").parts)
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(names: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """(importing module, imported module) for each import of ganexp by ganexp."""

    def module_of(dotted: str) -> str:
        while dotted not in names:
            dotted = dotted.rpartition(".")[0]
        return dotted

    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganexp":
                yield from ((name, module_of(f"{node.module}.{alias.name}")) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((name, module_of(a.name)) for a in node.names if a.name.split(".")[0] == "ganexp")


def room(module: str) -> str:
    """The name at the root of ganexp below which a module stands; "" for ganexp itself."""
    return module.split(".")[1] if "." in module else ""


def circles(edges: set[tuple[str, str]]) -> list[set[str]]:
    """The sets of more than one room that import each other, directly or by others."""
    rooms = {name for edge in edges for name in edge}
    reach = {name: {b for a, b in edges if a == name} for name in rooms}
    for middle in rooms:
        for name in rooms:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    found = {frozenset(b for b in rooms if b in reach[a] and a in reach[b]) for a in rooms}
    return sorted((set(each) for each in found if len(each) > 1), key=len, reverse=True)


def longest_function(names: Mapping[str, Path]) -> tuple[int, str]:
    """Lines and name of the longest function, its signature and docstring included."""
    lengths = [
        ((node.end_lineno or 0) - node.lineno + 1, f"{name}.{node.name}")
        for name, path in names.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    return max(lengths)


def way() -> dict[str, list[str]]:
    """Files on the way to the first optimizer step, and calls from a lower room into a higher one."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "way.json"
        subprocess.run([sys.executable, __file__, str(target)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        content: dict[str, list[str]] = json.loads(target.read_text())
        return content


def record_way(target: Path) -> None:
    """Train one step, and write what was called until the optimizer's first step."""
    files: set[str] = set()
    climbs: set[str] = set()

    def place(frame: object) -> tuple[str, str]:
        path = Path(frame.f_code.co_filename)  # type: ignore[attr-defined]
        inside = path.is_relative_to(SOURCE)
        relative = path.relative_to(SOURCE) if inside else path
        return (str(relative), relative.parts[0].removesuffix(".py")) if inside else ("", "")

    def profile(frame: object, event: str, argument: object) -> None:
        code = frame.f_code  # type: ignore[attr-defined]
        if event != "call" or not code.co_flags & inspect.CO_OPTIMIZED:  # the bodies of modules and classes
            return
        if code.co_name == "step" and "optim" in code.co_filename:
            sys.setprofile(None)
            target.write_text(json.dumps({"files": sorted(files), "climbs": sorted(climbs)}))
            return
        file, to = place(frame)
        if not file or frame.f_back is None:  # type: ignore[attr-defined]
            return
        files.add(file)
        caller, origin = place(frame.f_back)  # type: ignore[attr-defined]
        if caller and HEIGHT.get(origin, 99) < HEIGHT.get(to, 99):
            climbs.add(f"{caller}:{frame.f_back.f_lineno} -> {file}:{code.co_name}")  # type: ignore[attr-defined]

    from ganexp.__main__ import main

    sys.argv = ["ganexp", "experiment=debug", "trainer.max_steps=1", "metrics=none", "hydra.run.dir=run"]
    sys.setprofile(profile)
    main()


def main() -> None:
    """Print every figure."""
    names = modules()
    edges = {(room(a), room(b)) for a, b in imports(names) if room(a) != room(b) and room(a) and room(b)}
    upward = sorted({(a, b) for a, b in edges if HEIGHT.get(a, 99) <= HEIGHT.get(b, 99) and b in HEIGHT})
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in names.items()}
    roots = {room(name) for name in names} - {""}
    packages = {name for name in roots if (SOURCE / name).is_dir()}
    largest = max(lines, key=lambda name: lines[name])
    steps = way()
    print(f"names at the root: {len(roots - packages)} modules, {len(packages)} packages")
    print(f"arrows between them: {len(edges)}; against the order of the rooms: {len(upward)}")
    for a, b in upward:
        print(f"  {a} -> {b}")
    print(f"circles: {len(circles(edges))}")
    for circle in circles(edges):
        print(f"  {', '.join(sorted(circle))}")
    print(f"files on the way to the first optimizer step: {len(steps['files'])}; climbs: {len(steps['climbs'])}")
    for climb in steps["climbs"]:
        print(f"  {climb}")
    print(f"lines: {sum(lines.values()):,}; largest file: {lines[largest]} ({largest})")
    print("longest function: {} ({})".format(*longest_function(names)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        record_way(Path(sys.argv[1]))
    else:
        main()
