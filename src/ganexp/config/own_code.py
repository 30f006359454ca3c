"""Code of the user's own: the source files that it is made of, and whether they changed since a run was recorded."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

from ganexp.config.target import OURS
from ganexp.files.code_record import NOT_REPRODUCIBLE, CodeRecord, Sources, joined, read_code, write_code
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig

Stamp = tuple[str, int, int]

_READ: dict[frozenset[str], tuple[dict[str, Stamp], dict[str, str]]] = {}
"""Modules that targets begin with -> their files as they were when they were read, and module -> digest."""


def own_code(config: RunConfig) -> CodeRecord | None:
    """The own code of a configuration as its files are now; None where all of it is ganexp's and torch's.

    A logger changes no number, and does not count.
    """
    training, metrics = sources(config.own_targets), sources(config.own_metrics)
    return CodeRecord((training,), metrics) if config.has_own_code else None


def sources(targets: Iterable[str]) -> dict[str, str]:
    """Module -> digest of its file: of the targets' modules, and of all modules that these import, at once or later.

    Followed are modules of the same packages, and those that are not installed (beside the target's own, say). A file
    that is no Python source (a compiled module) counts with its bytes; a module without a file is "none".
    """
    start = frozenset(module for target in targets for module in _modules_of(target))
    if start in _READ and all(_stamp(file_of(each)) == stamp for each, stamp in _READ[start][0].items()):
        return _READ[start][1]
    found: dict[str, str] = {}
    stamps: dict[str, Stamp] = {}
    todo, tops = list(start), {module.partition(".")[0] for module in start}
    while todo:
        name = todo.pop()
        for each in _with_parents(name):
            if not each or each in found or not _is_own(each, tops) or (spec := _spec(each)) is None:
                continue
            content, text = _read(spec)
            stamps[each] = _stamp(file_of(each))
            found[each] = "none" if content is None else hashlib.blake2b(content, digest_size=8).hexdigest()
            package = each if spec.submodule_search_locations is not None else each.rpartition(".")[0]
            todo += _imported(text, package)
    _READ[start] = stamps, found
    return found


def check(run: Path, now: CodeRecord | None, config: RunConfig, *, metrics: bool = True) -> CodeRecord | None:
    """Refuse a run directory whose numbers other own code made, or that nobody can make again.

    Args:
        run: run directory; one without a record, or without anything that was made, passes.
        now: the code as it is now; None: there is none.
        config: says what holds in either case.
        metrics: compare the metrics' sources too.

    Returns:
        `now`, with what was recorded of the run before.

    Raises:
        ConfigError: naming the files, or what cannot be had again.
    """
    there = read_code(run) if now is not None and has_numbers(run) else None
    if now is None or there is None:
        return now
    _refuse_changed(
        there.all_sources if metrics else there.training[-1],
        now,
        config.changed_code,
        f"{run}: expected the code that the run was made with",
        "changed_code=own_run makes a run of its own, changed_code=same_run (of other commands --changed-code "
        "same_run) goes on as the same run",
    )
    if there.problems and config.own_code_random == "refuse":
        raise ConfigError(f"{run}: {NOT_REPRODUCIBLE} ({'; '.join(there.problems)}); own_code_random=allow reads it")
    return joined(there, now)


def with_answer(config: RunConfig, changed_code: str) -> RunConfig:
    """A recorded configuration with the caller's own answer: what the directory says of it counts for nothing.

    Raises:
        ConfigError: it is neither "refuse" nor "same_run".
    """
    if changed_code not in ("refuse", "same_run"):
        raise ConfigError(f"--changed-code: expected 'refuse' or 'same_run', got {changed_code!r}")
    return replace(config, changed_code="same_run" if changed_code == "same_run" else "refuse")


def has_numbers(run: Path) -> bool:
    """Whether a run directory holds anything that training made."""
    return (run / "result.json").exists() or any((run / "checkpoints").glob("*.safetensors"))


def accept(run: Path, code: CodeRecord | None) -> None:
    """Record, for a finished run, which source was said to be the same."""
    there = read_code(run)
    if there is not None and code is not None and len(code.training) > len(there.training):
        write_code(run, code)


def changed(before: Sources, now: Sources) -> list[str]:
    """The modules that are in both and differ; where one comes or goes, the one that imports it does."""
    return sorted(module for module in before.keys() & now.keys() if before[module] != now[module])


def describe(modules: Iterable[str]) -> str:
    """Modules with their files."""
    return ", ".join(f"{module} ({file_of(module)})" for module in modules)


def file_of(module: str) -> str:
    """The file of a module, or "no file"."""
    spec = _spec(module)
    origin = spec.origin if spec is not None and spec.has_location else None
    archive = getattr(spec.loader, "archive", None) if spec is not None else None
    return str(archive or origin or "no file")


def _modules_of(target: str) -> Iterator[str]:
    """The module that a target is named in, and the one that it is defined in."""
    module, _, name = target.rpartition(".")
    yield module
    defined = getattr(getattr(sys.modules.get(module), name, None), "__module__", None)
    if isinstance(defined, str) and defined.partition(".")[0] not in (*OURS, "builtins", "functools"):
        yield defined


def _with_parents(name: str) -> Iterator[str]:
    """'a', 'a.b', 'a.b.c' of 'a.b.c': to import a module, Python runs the packages above it."""
    parts = name.split(".")
    return (".".join(parts[: n + 1]) for n in range(len(parts)))


def _is_own(name: str, tops: set[str]) -> bool:
    """Whether a module is followed: of the targets' packages, or not installed (and not Python's own)."""
    top = name.partition(".")[0]
    if top in tops or top in OURS or top in sys.stdlib_module_names:
        return top in tops
    spec = _spec(top)
    places = [spec.origin] if spec and spec.has_location else list((spec and spec.submodule_search_locations) or ())
    installed = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(
        place and not any(Path(place).is_relative_to(each) for each in installed) and "-packages" not in place
        for place in places
    )


def _spec(name: str) -> ModuleSpec | None:
    """Where a module comes from, without importing it or the packages above it."""
    spec: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None:
        return spec
    above = name.rpartition(".")[0]
    parent = _spec(above) if above else None
    locations = parent.submodule_search_locations if parent is not None else None
    if above and locations is None:
        return None
    path = list(getattr(locations, "_path", locations)) if locations is not None else None
    try:
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        return next((each for each in found if each is not None), None)
    except KeyError:  # a folder without __init__.py in another that is not imported yet
        spec = ModuleSpec(name, None, is_package=True)
        tail = name.rpartition(".")[2]
        spec.submodule_search_locations = [str(folder) for each in path or () if (folder := Path(each, tail)).is_dir()]
        return spec if spec.submodule_search_locations else None


def _read(spec: ModuleSpec) -> tuple[bytes | None, str]:
    """The bytes of a module's file, or None where it has none; and its source text, or ""."""
    try:
        content = spec.loader.get_data(str(spec.origin))  # type: ignore[union-attr]  # most loaders have it
    except (OSError, AttributeError):
        return None, ""
    try:
        return content, importlib.util.decode_source(content) if str(spec.origin).endswith(".py") else ""
    except (SyntaxError, UnicodeDecodeError):
        return content, ""


def _stamp(file: str) -> Stamp:
    try:
        status = Path(file).stat()
    except OSError:
        return file, 0, 0
    return file, status.st_mtime_ns, status.st_size


def _imported(text: str, package: str) -> Iterator[str]:
    """Modules that a source text imports anywhere in it; some of the names may be functions and no modules."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield from (base, *(f"{base}.{each.name}" for each in node.names if base and each.name != "*"))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield _absolute(node.args[0].value, package)


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package or None)
    except ImportError:
        return ""


def check_planned(planned: str | None, now: CodeRecord | None, answer: str) -> None:
    """Refuse to go on with other code than `planned`, which `as_text` gave.

    Raises:
        ConfigError: naming the files that changed.
    """
    before = dict(pair.rsplit(":", 1) for pair in (planned or "").split())
    expected = "expected the code that the sweep was planned with"
    _refuse_changed(before, now, answer, expected, "changed_code=same_run takes it for the same")


def check_study(run: Path, now: CodeRecord | None, config: RunConfig) -> None:
    """Refuse to go on with a search of which a run was made with other own code.

    Raises:
        ConfigError: naming the files.
    """
    there = read_code(run)
    if there is None or not has_numbers(run):
        return
    expected = f"{run}: expected trials of one code"
    otherwise = "another hydra.sweep.dir makes a search of its own, changed_code=same_run goes on"
    _refuse_changed(there.all_sources, now, config.changed_code, expected, otherwise)


def _refuse_changed(before: Sources, now: CodeRecord | None, answer: str, expected: str, otherwise: str) -> None:
    """ConfigError naming the files that changed since `before`, unless the answer is that they are the same."""
    names = changed(before, now.all_sources) if now is not None else []
    if names and answer != "same_run":
        raise ConfigError(f"{expected}, got another {describe(names)}; {otherwise} (after a comment, a rename)")
