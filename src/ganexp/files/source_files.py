"""The source files of own code: those of its targets, and of all modules that these import."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

OURS = ("ganexp", "torch")  # packages whose versions are recorded instead of their source

INSTALLED = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib"))

Stamp = tuple[str, int, int]  # a file, its modification time (ns), and its size (bytes)

# Modules of targets -> the stamps of all files when they were read, and module -> digest.
_READ: dict[frozenset[str], tuple[dict[str, Stamp], dict[str, str]]] = {}


def sources(targets: Iterable[str]) -> dict[str, str]:
    """Module -> digest of its file: of the targets' modules, and of all modules that these import, at once or later.

    Imports are followed into modules of the same packages, and into those that are not installed (beside the target's
    own, for example). A file that is no Python source (a compiled module) counts with its bytes; a module without a
    file is "none".
    """
    start = frozenset(module for target in targets for module in _modules_of(target))
    if start in _READ and all(_stamp(module) == stamp for module, stamp in _READ[start][0].items()):
        return _READ[start][1]
    digests: dict[str, str] = {}
    stamps: dict[str, Stamp] = {}
    waiting, seen, tops = list(start), {""}, {module.partition(".")[0] for module in start}
    while waiting:
        if (name := waiting.pop()) in seen:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        waiting.append(parent)  # to import a module, Python runs the packages above it
        if not _is_followed(name, tops) or (spec := _spec(name)) is None:
            continue
        stamps[name] = _stamp(name)
        content = _content(spec)
        digests[name] = "none" if content is None else hashlib.blake2b(content, digest_size=8).hexdigest()
        if content is not None and str(spec.origin).endswith(".py"):
            waiting += _imported(content, parent if spec.submodule_search_locations is None else name)
    _READ[start] = stamps, digests
    return digests


def forget_edited() -> None:
    """Make Python import own code again that was edited since its source was read, with all that it imports."""
    importlib.invalidate_caches()
    for stamps, _ in _READ.values():
        if any(_stamp(module) != stamp for module, stamp in stamps.items()):
            for module in stamps:
                sys.modules.pop(module, None)


def file_of(module: str) -> str:
    """The file of a module, or "no file"."""
    spec = _spec(module)
    origin = spec.origin if spec is not None and spec.has_location else None
    archive = getattr(spec.loader, "archive", None) if spec is not None else None
    return str(archive or origin or "no file")


def _modules_of(target: str) -> Iterator[str]:
    """The module that a target's path names, and the one that defines it."""
    module, _, name = target.rpartition(".")
    yield module
    defined = getattr(getattr(sys.modules.get(module), name, None), "__module__", None)
    if isinstance(defined, str) and defined.partition(".")[0] not in (*OURS, "builtins", "functools"):
        yield defined


def _is_followed(name: str, tops: set[str]) -> bool:
    """Whether a module is of the targets' packages, or not installed (and not Python's own)."""
    top = name.partition(".")[0]
    if top in tops or top in OURS or top in sys.stdlib_module_names:
        return top in tops
    spec = _spec(top)
    places = [spec.origin] if spec and spec.has_location else list((spec and spec.submodule_search_locations) or ())
    return any(
        place and "-packages" not in place and not any(Path(place).is_relative_to(folder) for folder in INSTALLED)
        for place in places
    )


def _spec(name: str) -> ModuleSpec | None:
    """The spec of a module, without importing it or the packages above it."""
    spec: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None:
        return spec
    above, _, tail = name.rpartition(".")
    parent = _spec(above) if above else None
    locations = parent.submodule_search_locations if parent is not None else None
    if above and locations is None:
        return None
    path = list(getattr(locations, "_path", locations)) if locations is not None else None
    try:
        specs = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        return next((spec for spec in specs if spec is not None), None)
    except KeyError:  # a folder without __init__.py in another that is not imported yet
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder) for top in path or () if (folder := Path(top, tail)).is_dir()]
        return spec if spec.submodule_search_locations else None


def _content(spec: ModuleSpec) -> bytes | None:
    try:
        content: bytes = spec.loader.get_data(str(spec.origin))  # type: ignore[union-attr]  # most loaders have it
        return content
    except (OSError, AttributeError):
        return None


def _stamp(module: str) -> Stamp:
    file = file_of(module)
    try:
        status = Path(file).stat()
    except OSError:
        return file, 0, 0
    return file, status.st_mtime_ns, status.st_size


def _imported(source: bytes, package: str) -> Iterator[str]:
    """Modules that a source imports anywhere in it; some of the names may be functions."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names if base and alias.name != "*"))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield _absolute(node.args[0].value, package)


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package or None)
    except ImportError:
        return ""
