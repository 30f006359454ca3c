"""Ranges of keys in words: those of the schema, and of the options' functions, read without importing these (torch)."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, Lt

SOURCE = Path(__file__).parents[1]
LIGHT = ("annotated_types", "collections.abc", "pathlib", "typing", "ganexp.types.bounds", "ganexp.types.schedule")
LARGE = 2**31  # bounds from here on are those of the number's type: no range

WORDS: Mapping[Any, str] = {int: "whole number", float: "number", str: "text", bool: "true, false", Path: "path"}


def in_words(annotation: Any) -> str:
    """What values an annotation admits: "1 or more", "reuse, fresh", "0 to below 1 or null"; "" for anything."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        kinds = [in_words(part) for part in parts if part is not type(None)]
        return " or ".join([*kinds, "null"] if type(None) in parts else kinds)
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin is Annotated:
        return _bounded(in_words(parts[0]), parts[1:])
    if origin in (list, tuple, Sequence):
        inside = [part for part in parts if part is not ...]
        return f"list: {in_words(inside[0])}" if inside else "list"
    return WORDS.get(annotation, "")


def _bounded(kind: str, bounds: Sequence[Any]) -> str:
    if lengths := [bound for bound in bounds if isinstance(bound, Len)]:
        few, many = lengths[0].min_length, lengths[0].max_length
        return kind.replace("list", f"list of {few}" if few == many else f"list of {few} to {many}", 1)
    at_least, above, at_most, below = (_bound(bounds, kind) for kind in (Ge, Gt, Le, Lt))
    if at_least and at_most:
        return f"{at_least} to {at_most}"
    words = [f"{at_least} or more" if at_least else "", f"above {above}" if above else ""]
    words += [f"at most {at_most}" if at_most else "", f"below {below}" if below else ""]
    return ", ".join(filter(None, words)) or kind


def _bound(bounds: Sequence[Any], kind: type[Any]) -> str:
    """The bound of a kind, "" where there is none but that of the number's type."""
    numbers = (getattr(bound, kind.__name__.lower()) for bound in bounds if isinstance(bound, kind))
    return next((_number(number) for number in numbers if abs(number) < LARGE), "")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


@functools.cache
def ranges_of(target: str) -> Mapping[str, str]:
    """Parameter -> range in words, of a function of ganexp's: {} for any other."""
    package, _, name = target.rpartition(".")
    top = SOURCE.joinpath(*package.split(".")[1:])
    for path in sorted(top.glob("*.py")) if top.is_dir() else [top.with_suffix(".py")]:
        module = package if path.stem in (top.name, "__init__") else f"{package}.{path.stem}"
        if package.startswith("ganexp.") and isinstance(found := _named(module, name), ast.FunctionDef):
            parameters = [*found.args.args, *found.args.kwonlyargs]
            return {each.arg: in_words(_evaluated(module, each.annotation)) for each in parameters if each.annotation}
    return {}


@functools.cache
def _definitions(module: str) -> Mapping[str, ast.AST]:
    """What the top level of a module of ganexp's defines or imports, by name."""
    path = SOURCE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names: dict[str, ast.AST] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else ():
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: node for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = node.value
    return names


def _named(module: str, name: str) -> ast.AST | None:
    return _definitions(module).get(name)


def _evaluated(module: str, annotation: ast.expr) -> Any:
    """The value of an annotation; Any where it needs more than its module's own names and light modules."""
    names = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    try:
        scope = {name: _value(module, name) for name in names if _named(module, name) is not None}
        return eval(compile(ast.Expression(annotation), module, "eval"), scope)  # noqa: S307  (ganexp's own source)
    except (NameError, TypeError, ImportError, AttributeError):
        return Any


def _value(module: str, name: str) -> Any:
    node = _named(module, name)
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        home = next(alias.name for alias in node.names if name in (alias.name, alias.asname))
        return (
            getattr(importlib.import_module(node.module), home) if node.module in LIGHT else _value(node.module, home)
        )
    return _evaluated(module, node) if isinstance(node, ast.expr) else Any
