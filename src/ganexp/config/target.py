"""`_target_` functions: which may be called, how their parameters are validated, and the call itself."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from ganexp.files.source_files import OURS
from ganexp.types.bounds import validator
from ganexp.types.errors import SEVERAL, ConfigError, suggested, unknown_key
from ganexp.types.nested import json_values

TRUSTED = {"optim": ("ganexp.optim.*", "torch.optim.*")}  # always trusted; in any other group g: `ganexp.<g>.*`


SUPPLIED = {"model": ("num_classes",)}  # keywords that ganexp supplies where a function takes them; no keys


# Valid nodes of ganexp's own functions and of torch's; those of a user's own may change.
_VALIDATED: dict[tuple[str, str, tuple[str, ...], int], Target] = {}

MOST_VALIDATED = 10_000


@dataclass(frozen=True)
class Target:
    """A function and the parameters that the configuration gives it."""

    path: str  # dotted, e.g. "ganexp.loss.minimax"
    params: Mapping[str, Any] = field(default_factory=dict)  # validated; every parameter of the function
    defaults: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)  # the function's own

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.path.rpartition(".")[2]

    def as_json(self, defaults: bool) -> dict[str, Any]:
        """`_target_` and JSON-able parameters, with or without those that have their default."""
        return dict(self._all_as_json if defaults else self._chosen_as_json)

    @functools.cached_property
    def _all_as_json(self) -> dict[str, Any]:
        return json_values({"_target_": self.path, **self.params})

    @functools.cached_property
    def _chosen_as_json(self) -> dict[str, Any]:
        usual = json_values(self.defaults)
        return {n: value for n, value in self._all_as_json.items() if n not in usual or usual[n] != value}

    def build(self, *runtime: Any, **supplied: Any) -> Any:
        """Call the function with `runtime` as its leading positional arguments, and those `supplied` that it takes."""
        function = _import(self.path, self.path)
        taken = inspect.signature(function).parameters if supplied else {}
        return function(*runtime, **{name: supplied[name] for name in supplied if name in taken}, **self.params)


def validated(group: str, node: Mapping[str, Any], trust: Sequence[str], runtime: int = 0) -> Target:
    """Check one `_target_` node: that it may be called, and each parameter against the function's annotation.

    `group` is the node's key in the configuration, e.g. "loss" or "metrics.scores.cfd"; the node holds resolved plain
    values; `runtime` counts the leading parameters that ganexp supplies.

    Raises:
        ConfigError: the target is missing, untrusted or unknown, or a parameter is unknown, missing or out of range.
    """
    key = (group, repr(node), tuple(trust), runtime)
    if key not in _VALIDATED:
        target = _validated(group, node, trust, runtime)
        if not target.path.startswith(("ganexp.", "torch.")):
            return target
        if len(_VALIDATED) >= MOST_VALIDATED:
            _VALIDATED.clear()
        _VALIDATED[key] = target
    return _VALIDATED[key]


def _validated(group: str, node: Mapping[str, Any], trust: Sequence[str], runtime: int) -> Target:
    path = node.get("_target_")
    if not isinstance(path, str):
        raise ConfigError(f"{group}._target_: expected a dotted path to a function, got {path!r}")
    package = f"ganexp.{group.split('.')[0]}"
    patterns = (*TRUSTED.get(group, (f"{package}.*",)), *trust)
    if is_trusted(path, trust):
        _find_here(path.partition(".")[0])
    if not is_trusted(path, patterns):
        raise ConfigError(
            f"{group}._target_: expected something that matches {' or '.join(patterns)}, got {path!r}; "
            f"if you trust that code, say so: 'trust=[{path.split('.')[0]}.*]'"
        )
    if path.startswith(f"{package}.") and not is_trusted(path, trust):
        _check_option(group, package, path)
    function = _import(path, f"{group}._target_")
    origin = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    if not is_trusted(origin, patterns):
        raise ConfigError(f"{group}._target_: {path!r} is defined elsewhere, as {origin!r}, which is not trusted")
    chosen = {key: value for key, value in node.items() if key != "_target_"}
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty}
    return Target(path, _parameters(group, function, chosen, runtime), defaults)


def is_own(path: str) -> bool:
    """Whether a dotted path names a user's own code: neither ganexp's nor torch's."""
    return path.partition(".")[0] not in OURS


def is_trusted(path: str, patterns: Sequence[str]) -> bool:
    """Whether a dotted path matches one of the patterns."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _find_here(name: str) -> None:
    """Have Python look for modules in the current folder too, after all others, where it finds `name` there alone."""
    here = str(Path.cwd())
    if name not in sys.modules and find_spec(name) is None and PathFinder.find_spec(name, [here]) is not None:
        sys.path.append(here)


def _check_option(group: str, package: str, path: str) -> None:
    """Refuse other functions in a package of ganexp: helpers write files, and take arguments that options never get."""
    name = path.removeprefix(f"{package}.")
    options = [option.__name__ for option in importlib.import_module(package).OPTIONS]
    if name not in options:
        choices = ", ".join(options)
        raise ConfigError(
            f"{group}._target_: expected one of {package}: {choices}; got {path!r}.{suggested(name, options)}"
        )


def validate_value(key: str, annotation: Any, value: Any) -> Any:
    """`value` converted to `annotation`, or ConfigError naming `key`, what was expected and what was got."""
    from pydantic import ValidationError

    if isinstance(value, bool) and _numbers_only(annotation):
        raise ConfigError(f"{key}: expected a number, got {value!r}")
    try:
        return validator(annotation).validate_python(value, extra="forbid")
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise ConfigError("\n".join(explain(key, problem, annotation) for problem in problems)) from None


def _numbers_only(annotation: Any) -> bool:
    """Whether an annotation admits numbers but no bool: int, Annotated[float, ...] | None, ..."""
    if annotation in (int, float):
        return True
    parts = [part for part in get_args(annotation) if part is not type(None)]
    parts = parts[:1] if get_origin(annotation) is Annotated else parts
    return bool(parts) and get_origin(annotation) in (Annotated, Union, UnionType) and all(map(_numbers_only, parts))


def explain(prefix: str, problem: Mapping[str, Any], annotation: Any) -> str:
    """One line for one pydantic error in a value of `annotation`: the key, what was expected, what was got."""
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return unknown_key(".".join(map(str, (prefix, *problem["loc"]))), _names(annotation, problem["loc"]))
    steps = [step for step in problem["loc"] if isinstance(step, int) or str(step).isidentifier()]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    key = f"{prefix}{key}".lstrip(".")
    message = str(problem["msg"]).replace("Input should be", "expected")
    message = re.sub(r"^expected (greater|less)", r"expected a value \1", message)
    values = problem["input"]
    several = isinstance(values, list) and values and all(isinstance(value, str | int | float) for value in values)
    return f"{key}: {message}, got {values!r}{SEVERAL if several else ''}"


def _names(annotation: Any, steps: Sequence[Any]) -> list[str]:
    """The keys that the mapping at `steps[:-1]` in a value of `annotation` takes; empty where that is unknown."""
    if not (parts := get_args(annotation)):
        return list(getattr(annotation, "__annotations__", ())) if len(steps) == 1 else []
    inside = isinstance(origin := get_origin(annotation), type) and issubclass(origin, Mapping | Sequence)
    return next((names for part in parts if (names := _names(part, steps[1:] if inside else steps))), [])


def _import(path: str, key: str) -> Callable[..., Any]:
    module_name, _, name = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == path.partition(".")[0]
        where = f": neither installed nor in {Path.cwd()}" if absent else ""
        raise ConfigError(f"{key}: expected an importable function, got {path!r} ({error}{where})") from None
    if not callable(function):
        raise ConfigError(f"{key}: expected a function, got {path!r}, which is a {type(function).__name__}")
    return function  # type: ignore[no-any-return]


OFF = (("loss", "label_smoothing", 0.0),)  # of the default options: a function without this key is not given it


def _parameters(group: str, function: Callable[..., Any], chosen: dict[str, Any], runtime: int) -> dict[str, Any]:
    """`chosen` validated against the signature of `function`, defaults filled in."""
    declared = list(inspect.signature(function).parameters.values())[runtime:]
    own = [p for p in declared if p.name not in SUPPLIED.get(group, ())]
    keywords = {p.name: p for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in declared)
    chosen = {name: v for name, v in chosen.items() if name in keywords or (group, name, v) not in OFF}
    values = dict(chosen) if open_ended else {}
    for name in chosen:
        if name not in keywords and not open_ended:
            raise ConfigError(unknown_key(f"{group}.{name}", list(keywords)))
    for name, parameter in keywords.items():
        if name in chosen:
            values[name] = validate_value(f"{group}.{name}", _annotation(function, parameter), chosen[name])
        elif parameter.default is parameter.empty:
            raise ConfigError(f"{group}.{name}: expected a value, got none")
        else:
            values[name] = parameter.default
    return values


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation of one parameter, evaluated where it is written as a string."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Any
    if isinstance(annotation, str):
        owner: Any = vars(function).get("__init__", function) if isinstance(function, type) else function
        return eval(annotation, getattr(owner, "__globals__", {}))  # noqa: S307  (the function's own source text)
    return annotation
