"""What Python objects hold beside weights: counters and generators in attributes, globals, closures and defaults."""

from __future__ import annotations

import hashlib
import itertools
import random
import types
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MOST = 20_000
"""Values that are looked at, at most."""

DEEPEST = 8

PLAIN = (bool, int, float, complex, str, bytes, type(None), range, itertools.count, np.generic)
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)

OF_TORCH = frozenset(vars(nn.Module())) - {"training"}
"""Attributes of a module that torch keeps: weights, buffers, hooks."""


def held(roots: Mapping[str, Any]) -> dict[str, str]:
    """Where a value is held, such as "discriminator.calls" -> the value as text; generators by their state.

    Args:
        roots: name -> networks, modules (their globals), functions or other objects.

    Followed are attributes, items, submodules, and the closures, defaults and attributes of functions. Weights and
    buffers of networks, and what only C code can see, are left out.
    """
    found: dict[str, str] = {}
    seen: set[int] = set()
    todo = deque((name, value, 0) for name, value in roots.items())
    while todo and len(seen) < MOST:
        path, value, depth = todo.popleft()
        text = shown(value)
        if text is not None:
            found[path] = text
        elif id(value) not in seen and depth < DEEPEST:
            seen.add(id(value))
            todo.extend((f"{path}{name}", each, depth + 1) for name, each in _inside(value))
    return found


def is_generator(text: str) -> bool:
    """Whether a value that `held` gave is a generator's state."""
    return text.startswith("generator ")


def shown(value: Any) -> str | None:
    """A value as text; None where it has to be looked into."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, Tensor):
        return digest(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {_hash(b'' if value.dtype == object else value.tobytes())}"
    if isinstance(value, GENERATORS):
        return f"generator {_hash(_state(value))}"
    return None


def digest(tensor: Tensor) -> str:
    """Equal for equal type, shape and bits."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return f"{tensor.dtype} {tuple(tensor.shape)} {_hash(flat.view(torch.uint8).numpy().data) if flat.numel() else ''}"


def _state(generator: Any) -> bytes:
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy().tobytes()
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state).encode()
    return repr(generator.getstate() if isinstance(generator, random.Random) else _legacy(generator)).encode()


def _legacy(generator: np.random.RandomState) -> object:
    name, keys, *rest = generator.get_state()
    return name, np.asarray(keys).tobytes(), rest


def _hash(content: Any) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _inside(value: Any) -> list[tuple[str, Any]]:
    """(".name" or "[item]", value) of everything that an object holds."""
    if isinstance(value, nn.Module):
        own = [(f".{name}", each) for name, each in vars(value).items() if name not in OF_TORCH]
        return [*own, *((f".{name}", each) for name, each in value.named_children()), *_of_class(type(value))]
    if isinstance(value, Mapping):
        return [(f"[{key if isinstance(key, str | int) else n}]", value[key]) for n, key in enumerate(list(value))]
    if isinstance(value, list | tuple | deque):
        return [(f"[{number}]", each) for number, each in enumerate(value)]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        closure = [(f".{name}", each) for name, each in zip(value.__code__.co_freevars, cells, strict=False)]
        defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return [*closure, *((f".default{n}", each) for n, each in enumerate(defaults)), *_named(vars(value))]
    if isinstance(value, types.MethodType):
        return [("", value.__self__), ("", value.__func__)]
    if isinstance(value, types.ModuleType):
        return [item for item in _named(vars(value)) if _of(item[1], value)]
    if isinstance(value, type):
        return _of_class(value)
    if hasattr(value, "func") and hasattr(value, "args"):  # functools.partial
        return [("", value.func), ("", list(value.args)), *_named(getattr(value, "keywords", {}))]
    return [*_named(getattr(value, "__dict__", {})), *_of_class(type(value))]


def _of_class(kind: type) -> list[tuple[str, Any]]:
    """Class attributes, of classes that are neither Python's nor torch's."""
    if kind.__module__.partition(".")[0] in ("builtins", "torch", "numpy", "ganexp", "functools", "collections"):
        return []
    return [item for item in _named(vars(kind)) if not isinstance(item[1], type)]


def _of(value: Any, module: types.ModuleType) -> bool:
    """Whether a global is the module's own and not imported from elsewhere."""
    if isinstance(value, types.ModuleType):
        return False
    if isinstance(value, type | types.FunctionType):
        return value.__module__ == module.__name__
    return True


def _named(attributes: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f".{name}", each) for name, each in list(attributes.items()) if not name.startswith("__")]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
