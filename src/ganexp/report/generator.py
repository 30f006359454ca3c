"""A generator of linear layers for the page, which draws with it: generator.js."""

from __future__ import annotations

import base64
import functools
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganexp.files.run_folder import RunFolder
from ganexp.files.weights import read_arrays
from ganexp.report.runs import RunRecord
from ganexp.types.endings import State

BYTES = 1_500_000  # of the weights of all generators in a page, before they become text
DIRECTIONS = 6  # sliders
WIDEST = 4096  # numbers in a layer
LEVELS = 2  # by which a pixel, 0 to 255, may differ from what the run's own weights give
TRIED = 256  # images that are compared
CALIBRATION, DAMPING, BLOCK = 1024, 1e-3, 64  # see _compensated

Array = NDArray[np.float64]

# Name -> (values, slope of leaky_relu below zero) -> values; generator.js has the same.
ACTIVATIONS: Mapping[str, Callable[[Array, float], Array]] = {
    "relu": lambda x, leak: np.maximum(x, 0),
    "leaky_relu": lambda x, leak: np.where(x < 0, leak * x, x),
    "elu": lambda x, leak: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "gelu": lambda x, leak: 0.5 * x * (1 + _erf(x / 2**0.5)),
    "silu": lambda x, leak: x / (1 + np.exp(-x)),
    "tanh": lambda x, leak: np.tanh(x),
}


class Layer(NamedTuple):
    """y = W x + b."""

    weight: Array  # (outputs, inputs)
    bias: Array  # (outputs,)


def page_generators(leads: Mapping[str, RunRecord]) -> dict[str, dict[str, Any]]:
    """Those of the runs that have one, by the same keys, as long as there is room for their weights."""
    room, found = BYTES, {}
    for key, run in leads.items():
        if generator := page_generator(run, room):
            found[key] = generator
            room -= sum(3 * len(layer[plane]) // 4 for layer in generator["layers"] for plane in ("high", "low"))
    return found


def page_generator(run: RunRecord, room: int) -> dict[str, Any] | None:
    """The sampling generator of a finished run for generator.js, where its weights fit into `room` bytes.

    None: the run is of another network than linear layers, is not finished, keeps no generator, or has more weights.
    """
    folder = RunFolder(run.folder)
    path, model = folder.generator_checkpoint(run.done), (folder.identity() or {}).get("model")
    if run.state is not State.COMPLETED or path.parent.is_symlink() or not isinstance(model, dict):
        return None
    try:
        found = _packed(path, path.stat().st_mtime_ns, json.dumps(model), room)
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError):
        return None
    return found and {"seed": run.seed, **found}


@functools.lru_cache(maxsize=8)
def _packed(path: Path, time: int, model_text: str, room: int) -> dict[str, Any] | None:
    """`time`: of its last change, so that a dashboard packs weights once; errors: it is of another network."""
    model: Mapping[str, Any] = json.loads(model_text)
    arrays, meta, digest = read_arrays(path, 4 * room + 100_000)
    about = _about(model, meta)
    layers = _layers(arrays, about)
    with np.errstate(all="ignore"):  # of weights out of all bounds, which then do not pass
        packed = _whole_numbers(layers, about, room)
    directions = _directions(layers, about)
    return None if packed is None else {**about, "digest": digest, "directions": directions, "layers": packed}


def _about(model: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser must know beside the weights; ValueError or KeyError where it is no known network."""
    target = model["_target_"]
    if target not in ("ganexp.model.mlp", "ganexp.model.mlp_2014"):
        raise ValueError(f"expected linear layers, got {target}")
    counts, old = meta.get("label_counts"), target.endswith("2014")
    about = {
        "shape": meta["image_shape"],
        "classes": None if counts is None else [str(n) for n in meta.get("class_names") or range(len(counts))],
        "latent": model["latent"],
        "latent_dim": model["latent_dim"],
        "activation": "relu" if old else model["activation"],
        "leak": 0.0 if old else float(model["leak"]),
        "end": "sigmoid" if old else "tanh",
        "output_scale": 1.0 if old else float(model.get("output_scale", 1.0)),
    }
    if about["activation"] not in ACTIVATIONS or about["latent"] not in ("normal", "uniform"):
        raise ValueError(f"expected a known activation and distribution of z, got {about}")
    return about


def _layers(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> list[Layer]:
    """The layers in their order; ValueError where they are no chain from z to an image of finite numbers."""
    numbers = sorted({int(name.split(".")[1]) for name in arrays})
    layers = [
        Layer(*(arrays[f"body.{number}.{kind}"].astype(np.float64) for kind in ("weight", "bias")))
        for number in numbers
    ]
    widths = [int(about["latent_dim"]) + len(about["classes"] or ()), *(len(layer.bias) for layer in layers)]
    shapes = [layer.weight.shape for layer in layers]
    if shapes != [(after, before) for before, after in itertools.pairwise(widths)] or len(arrays) != 2 * len(layers):
        raise ValueError(f"expected a chain of linear layers, got {shapes}")
    if (
        not layers
        or not 0 < min(widths) <= max(widths) <= WIDEST
        or widths[-1] != math.prod(about["shape"])
        or not all(np.isfinite(v).all() for each in layers for v in each)
    ):
        raise ValueError(f"expected finite numbers that make an image of shape {about['shape']}")
    return layers


def _whole_numbers(layers: Sequence[Layer], about: Mapping[str, Any], room: int) -> list[dict[str, str]] | None:
    """The layers as generator.js takes them; None where they do not fit, or pixels would differ by more than LEVELS.

    A weight is its row's scale times a whole number of 8 bits, plus, in as many of the first layers as there is room,
    one of 254ths.
    """
    spare, active = room - sum(layer.weight.size for layer in layers), ACTIVATIONS[about["activation"]]
    if spare < 0:
        return None
    texts, near, exact = [], [], (x := _inputs(about, CALIBRATION, seed=0))
    for layer in layers:
        exact = exact @ layer.weight.T + layer.bias
        if wide := layer.weight.size <= spare:
            spare -= layer.weight.size
        scale = np.maximum(np.abs(layer.weight).max(axis=1, keepdims=True) / 127, np.finfo("f4").tiny).astype("<f4")
        whole = layer.weight / scale
        high = np.rint(whole).clip(-127, 127) if wide else _compensated(whole, x)
        low = np.rint(254 * (whole - high)).clip(-127, 127) if wide else np.zeros((0, 0))
        weight = (high + (low / 254 if wide else 0)) * scale
        near.append(Layer(weight, (exact.mean(axis=0) - weight @ x.mean(axis=0)).astype("<f4")))
        arrays = {"high": high.astype("i1"), "low": low.astype("i1"), "scale": scale, "bias": near[-1].bias}
        texts.append({name: base64.b64encode(array.tobytes()).decode() for name, array in arrays.items()})
        x, exact = (active(each, about["leak"]) for each in (x @ weight.T + near[-1].bias, exact))
    tried = _inputs(about, TRIED, seed=1)
    worst = np.abs(_pixels(near, tried, about) - _pixels(layers, tried, about)).max()
    return texts if worst <= LEVELS / 2 else None  # of these z: those of others stay below LEVELS


def _compensated(weight: Array, x: Array) -> Array:
    """Whole numbers for `weight` (outputs, inputs): later columns make good what rounding one does to W x.

    Frantar et al. 2023, GPTQ, algorithm 1; `x` (N, inputs) are examples.
    """
    inputs, rest, whole = weight.shape[1], weight.copy(), np.empty_like(weight)
    spread = np.cov(x, rowvar=False).reshape(inputs, inputs)
    spread += (DAMPING * np.trace(spread) / inputs + 1e-12) * np.eye(inputs)
    factor = np.linalg.cholesky(np.linalg.inv(spread)).T
    for start in range(0, inputs, BLOCK):
        stop = min(start + BLOCK, inputs)
        errors = np.empty((len(weight), stop - start))
        for at in range(start, stop):
            whole[:, at] = np.rint(rest[:, at]).clip(-127, 127)
            errors[:, at - start] = (rest[:, at] - whole[:, at]) / factor[at, at]
            rest[:, at:stop] -= np.outer(errors[:, at - start], factor[at, at:stop])
        rest[:, stop:] -= errors @ factor[start:stop, stop:]
    return whole


def _directions(layers: Sequence[Layer], about: Mapping[str, Any]) -> list[list[float]]:
    """Unit vectors of z that the first layer stretches most (Shen and Zhou 2021, Closed-Form Factorization, eq. 4)."""
    axes = np.linalg.svd(layers[0].weight[:, : about["latent_dim"]], full_matrices=False)[2][:DIRECTIONS]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]  # either sign is a solution
    return [[round(float(value), 4) for value in axis] for axis in axes]


def _inputs(about: Mapping[str, Any], count: int, seed: int) -> Array:
    """Inputs of the first layer: z, and classes in turn."""
    rng, classes = np.random.default_rng(seed), len(about["classes"] or ())
    shape = count, about["latent_dim"]
    z = rng.standard_normal(shape) if about["latent"] == "normal" else rng.uniform(-(3**0.5), 3**0.5, shape)
    return np.hstack((z, classes**0.5 * np.eye(classes)[np.arange(count) % classes])) if classes else z


def _pixels(layers: Sequence[Layer], x: Array, about: Mapping[str, Any]) -> Array:
    """Pixels from 0 to 255, not rounded."""
    active = ACTIVATIONS[about["activation"]]
    for layer in layers[:-1]:
        x = active(x @ layer.weight.T + layer.bias, about["leak"])
    x = x @ layers[-1].weight.T + layers[-1].bias
    y = about["output_scale"] * np.tanh(x) if about["end"] == "tanh" else np.tanh(x / 2)
    return (y.clip(-1, 1) + 1) * 127.5


def _erf(x: Array) -> Array:
    """Abramowitz and Stegun 1964, 7.1.26: within 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    result: Array = np.sign(x) * (1 - series * np.exp(-(x**2)))
    return result
