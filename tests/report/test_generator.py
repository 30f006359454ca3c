"""The generator that a page holds: of which runs, and how near its whole numbers are to the run's own weights."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished import Recipe, build, keep_generator

from ganexp.files import checkpoint
from ganexp.files.png import to_uint8
from ganexp.report import generator
from ganexp.report.runs import RunRecord, read_sweep
from ganexp.trainer.sampling import decode, latents
from ganexp.types.endings import State

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_widths": (20, 30), "image_shape": (1, 8, 8)}


def a_run(folder: Path, **settings: Any) -> tuple[RunRecord, Any]:
    """A finished run, and its networks."""
    planned = build(folder, Recipe({"trainer.epochs": (2,)}))
    gan = keep_generator(folder, planned, **settings)
    return read_sweep(folder).runs[0], gan


def in_browser(found: dict[str, Any], z: np.ndarray) -> np.ndarray:
    """What generator.js computes, written again."""
    x = z.astype(np.float64)
    for number, layer in enumerate(found["layers"], 1):
        high, low = (np.frombuffer(base64.b64decode(layer[name]), np.int8) for name in ("high", "low"))
        scale, bias = (np.frombuffer(base64.b64decode(layer[name]), "<f4") for name in ("scale", "bias"))
        whole = high.reshape(len(scale), -1) + (low.reshape(len(scale), -1) / 254 if len(low) else 0.0)
        x = x @ (whole * scale[:, None]).T + bias
        x = np.where(x < 0, 0.2 * x, x) if number < len(found["layers"]) else np.tanh(x)
    return np.rint((x + 1) * 127.5)


@pytest.mark.parametrize("widths", [(512, 1024), (64, 64, 64, 64, 64, 64)])
def test_pixels_are_within_two_levels_of_torch(tmp_path: Path, widths: tuple[int, ...]) -> None:
    run, gan = a_run(tmp_path, generator_widths=widths)
    found = generator.page_generator(run, generator.BYTES)
    assert found is not None
    z = latents("normal", 100, 64, 3)
    expected = to_uint8(decode(gan.generator, z, torch.device("cpu"))).reshape(64, -1)
    assert expected.std() > 20  # grey is near to grey
    assert np.abs(in_browser(found, z.numpy()) - expected).max() <= 2
    size = sum(len(base64.b64decode(layer[name])) for layer in found["layers"] for name in ("high", "low"))
    assert size <= generator.BYTES


def test_sliders_go_along_what_the_first_layer_stretches_most(tmp_path: Path) -> None:
    run, gan = a_run(tmp_path, **SMALL)
    found = generator.page_generator(run, generator.BYTES)
    assert found is not None
    weight = gan.generator.body[0].weight.detach().numpy()
    lengths = np.linalg.norm(weight @ np.array(found["directions"]).T, axis=0)
    assert lengths == pytest.approx(np.linalg.svd(weight)[1], rel=1e-3)


@pytest.mark.parametrize(
    "spoil",
    [
        "of convolutions",
        "failed",
        "damaged",
        "a link",
        "another network",
        "not finite",
        "text for a number",
        "a number too large",
        "a name without a number",
        "no weights of ten million inputs",
        "too many weights",
        "gone",
    ],
)
def test_of_any_other_run_there_is_none(tmp_path: Path, spoil: str) -> None:
    settings = {"function": "dcgan", "width": 4, "image_shape": (1, 8, 8)} if spoil == "of convolutions" else SMALL
    run, _ = a_run(tmp_path, **settings)
    assert (generator.page_generator(run, generator.BYTES) is None) == (spoil == "of convolutions")
    path, record = run.folder / "checkpoints" / "generator_0002.safetensors", run.folder / ".hydra" / "identity.json"
    model = json.loads(record.read_text())["model"]
    if spoil == "failed":
        run = replace(run, state=State.FAILED)
    elif spoil == "damaged":
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)
    elif spoil == "a link":
        path.parent.rename(tmp_path / "elsewhere")
        path.parent.symlink_to(tmp_path / "elsewhere")
    elif spoil == "another network":
        record.write_text(json.dumps({"model": {**model, "latent_dim": 7}}))
    elif spoil == "not finite":
        record.write_text(json.dumps({"model": {**model, "output_scale": 1e999}}))
    elif spoil == "text for a number":
        record.write_text(json.dumps({"model": {**model, "leak": "</script>", "latent_dim": "6"}}))
    elif spoil == "a number too large":
        record.write_text(json.dumps({"model": {**model, "leak": 10**400}}))
    elif spoil == "a name without a number":
        checkpoint.save(path, {"weight": torch.zeros(2)}, {"image_shape": [1, 8, 8], "label_counts": None})
    elif spoil == "no weights of ten million inputs":
        wide = ((0, 10**7), (0,), (64, 0), (64,))
        tensors = {f"body.{n // 2}.{('weight', 'bias')[n % 2]}": torch.zeros(shape) for n, shape in enumerate(wide)}
        checkpoint.save(path, tensors, {"image_shape": [1, 8, 8], "label_counts": None})
        record.write_text(json.dumps({"model": {**model, "latent_dim": 10**7}}))
    elif spoil == "gone":
        path.unlink()
    generator._packed.cache_clear()
    room = 2000 if spoil == "too many weights" else generator.BYTES
    assert generator.page_generator(run, room) is None
