"""Values in Python objects beside weights: counters and generators in attributes, globals, closures and defaults."""

from __future__ import annotations

import hashlib
import itertools
import random
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MOST = 20_000  # values that are looked at, at most

DEEPEST = 8

PLAIN = (bool, int, float, complex, str, bytes, type(None), range, itertools.count, np.generic)
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)

# Attributes of a module that torch keeps: weights, buffers, hooks.
OF_TORCH = frozenset(vars(nn.Module())) - {"training"}

EMPTY = types.CellType()  # content of a closure's cell whose variable has no value yet


def held(roots: Mapping[str, Any]) -> dict[str, str]:
    """Place, such as "discriminator.calls" -> the value there as text; generators by their state.

    Followed are attributes, items, submodules, and the closures, defaults and attributes of functions. Weights and
    buffers of networks, and state that only C code can see, are left out. `roots` are networks, modules (their
    globals), functions or other objects by name.
    """
    texts: dict[str, str] = {}
    seen: set[int] = set()
    waiting = deque((name, value, 0) for name, value in roots.items())
    while waiting and len(seen) < MOST:
        place, value, depth = waiting.popleft()
        text = _text(value)
        if text is not None:
            texts[place] = text
        elif id(value) not in seen and depth < DEEPEST:
            seen.add(id(value))
            waiting.extend((f"{place}{name}", inner, depth + 1) for name, inner in _inside(value))
    return texts


def is_generator(text: str) -> bool:
    """Whether a value that `held` gave is a generator's state."""
    return text.startswith("generator ")


def digest(tensor: Tensor) -> str:
    """Hash of type, shape and bits."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return f"{tensor.dtype} {tuple(tensor.shape)} {_hash(flat.view(torch.uint8).numpy().data) if flat.numel() else ''}"


def state_of(generator: Any) -> str:
    """The state of a generator of torch, numpy or Python; the modules `random` and `np.random` stand for their own."""
    if isinstance(generator, torch.Generator):
        return f"generator {_hash(generator.get_state().numpy().data)}"
    if isinstance(generator, np.random.Generator):
        state = generator.bit_generator.state
    elif hasattr(generator, "getstate"):
        state = generator.getstate()
    else:
        state = generator.get_state(legacy=False)
    with np.printoptions(threshold=sys.maxsize):
        return f"generator {_hash(repr(state).encode())}"


def _text(value: Any) -> str | None:
    """A value as text; None for containers and objects, which `_inside` opens."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, Tensor):
        return digest(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {_hash(b'' if value.dtype == object else value.tobytes())}"
    return state_of(value) if isinstance(value, GENERATORS) else None


def _hash(content: Any) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _inside(value: Any) -> list[tuple[str, Any]]:
    """(".name" or "[item]", value) of everything in an object."""
    if isinstance(value, nn.Module):
        own = {name: inner for name, inner in vars(value).items() if name not in OF_TORCH}
        return [*_named({**own, **dict(value.named_children())}), *_of_class(type(value))]
    if isinstance(value, Mapping):
        return [(f"[{key if isinstance(key, str | int) else n}]", value[key]) for n, key in enumerate(list(value))]
    if isinstance(value, list | tuple | deque):
        return [(f"[{number}]", inner) for number, inner in enumerate(value)]
    if isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        closure = {name: cell.cell_contents for name, cell in cells if cell != EMPTY}
        defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return [*_named(closure), *((f".default{n}", each) for n, each in enumerate(defaults)), *_named(vars(value))]
    if isinstance(value, types.MethodType):
        return [("", value.__self__), ("", value.__func__)]
    if isinstance(value, types.ModuleType):
        return [item for item in _named(vars(value)) if _is_of(value, item[1])]
    if isinstance(value, type):
        return list(_of_class(value))
    if hasattr(value, "func") and hasattr(value, "args"):  # functools.partial
        return [("", value.func), ("", list(value.args)), *_named(getattr(value, "keywords", {}))]
    return [*_named(getattr(value, "__dict__", {})), *_of_class(type(value))]


def _of_class(kind: type) -> Iterator[tuple[str, Any]]:
    """Class attributes, without those of Python's and torch's classes."""
    if kind.__module__.partition(".")[0] not in ("builtins", "torch", "numpy", "ganexp", "functools", "collections"):
        yield from (item for item in _named(vars(kind)) if not isinstance(item[1], type))


def _is_of(module: types.ModuleType, value: Any) -> bool:
    """Whether a global is defined in the module, not imported."""
    if isinstance(value, type | types.FunctionType):
        return value.__module__ == module.__name__
    return not isinstance(value, types.ModuleType)


def _named(attributes: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f".{name}", value) for name, value in list(attributes.items()) if not name.startswith("__")]
