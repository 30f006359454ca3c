"""A run's generator in files that need no ganexp."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import ganexp
from ganexp.files import checkpoint
from ganexp.files.png import to_uint8
from ganexp.trainer import run
from ganexp.trainer.draw import sample
from ganexp.trainer.exporting import exported
from ganexp.trainer.trained import TrainedGenerator
from ganexp.types.errors import ConfigError
from helpers import TINY, compose_config, make_spec

KINDS = {
    "mlp": (),
    "dcgan": ("model=dcgan", "model.width=4"),
    "resnet": ("model=resnet", "model.generator_width=4", "model.discriminator_width=4", "dataset.image_size=8"),
    "conditional": ("model.conditional=true", "trainer.ema_kimg=0.1"),
}
FORMATS = ("pt2", "safetensors", pytest.param("onnx", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data_root):
    """A run of a step for each kind of network."""
    runs = {}

    def make(kind: str) -> Path:
        if kind not in runs:
            small = [text for text in TINY if kind in ("mlp", "conditional") or not text.startswith("model.")]
            asked = (*small, "trainer.epochs=1", *KINDS[kind], f"dataset.root={data_root}")
            compose_config()
            runs[kind] = run.execute(make_spec(tmp_path_factory.mktemp(kind), *asked)).directory
        return runs[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_as_a_module_draws_what_sample_draws(trained, kind):
    module = ganexp.load_generator(trained(kind))
    labels = torch.full((5,), 3) if kind == "conditional" else None
    drawn = sample(trained(kind), 5, label=None if labels is None else 3, seed=2)
    assert (
        np.array_equal(to_uint8(module(module.draw_z(5, seed=2), labels)), drawn)
        or np.abs(to_uint8(module(module.draw_z(5, seed=2), labels)).astype(int) - drawn).max() <= 1
    )  # other batches, other last bits
    assert module.image_shape == drawn.shape[1:] and not module.training


@pytest.mark.parametrize("kind", ["mlp", *(pytest.param(kind, marks=pytest.mark.slow) for kind in [*KINDS][1:])])
@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_gives_equal_pictures_to_a_process_without_ganexp(trained, kind, format_, tmp_path):
    if format_ == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    module = ganexp.load_generator(trained(kind))
    for name, content in exported(module, format_).items():
        (tmp_path / name).write_bytes(content)
    z, labels = module.draw_z(7, seed=3), torch.arange(7) % 10
    given = (z,) if module.num_classes is None else (z, labels)
    np.savez(tmp_path / "given.npz", *(each.numpy() for each in given))
    load = {
        "pt2": "torch.export.load('generator.pt2').module()(*map(torch.from_numpy, given)).detach().numpy()",
        "safetensors": "__import__('generator').load()(*map(torch.from_numpy, given)).numpy()",
        "onnx": "(s := __import__('onnxruntime').InferenceSession('generator.onnx'))"
        ".run(None, dict(zip([i.name for i in s.get_inputs()], given)))[0]",
    }[format_]
    code = (
        "import sys; sys.modules['ganexp'] = None\nimport numpy as np, torch\n"
        f"given = list(np.load('given.npz').values())\nnp.save('images.npy', {load})"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    images = np.load(tmp_path / "images.npy")
    assert np.abs(images - module(*given).numpy()).max() < 1e-4


def test_what_is_not_the_same_when_loaded_is_refused(trained, monkeypatch):
    class Moody(TrainedGenerator):
        def forward(self, z, labels=None):
            return super().forward(z, labels) + 0.5 * torch.rand(1)

    module = ganexp.load_generator(trained("mlp"))
    module.__class__ = Moody
    with pytest.raises(ConfigError, match="--format pt2: expected equal pictures, got pixels that differ by"):
        exported(module, "pt2")


def test_the_card_of_a_sweeps_run_names_no_key_of_the_sweep():
    from ganexp.export import _command

    assert (
        _command("- optim.lr=1e-4\n- sweep.run_id='07'\n- +sweep.trial=3\n- seed=1\n") == "ganexp optim.lr=1e-4 seed=1"
    )


def test_the_command_writes_a_card_and_keeps_what_is_not_its_own(trained, tmp_path, capsys):
    from typer.testing import CliRunner

    from ganexp.cli import COMMANDS, app_of, main_of

    out = tmp_path / "out"
    arguments = [str(trained("conditional")), "--format", "safetensors", "--out", str(out)]
    assert "export" in COMMANDS
    done = CliRunner().invoke(app_of(main_of("export")), arguments)
    assert done.exit_code == 0, done.output
    card = (out / "README.md").read_text()
    for words in ("averaged over the training", "labels, int64 (N,), 0 .. 9", "## Licence", "model.conditional=true"):
        assert words in card
    weights = load_file(out / "generator.safetensors")
    stored, _ = checkpoint.load(next((trained("conditional") / "checkpoints").glob("generator_*")))
    assert sum(each.size for each in weights.values()) == sum(each.numel() for each in stored.values())
    assert CliRunner().invoke(app_of(main_of("export")), arguments).exit_code == 0  # its own files are replaced
    (out / "README.md").write_text("mine")
    refused = CliRunner().invoke(app_of(main_of("export")), arguments)
    assert refused.exit_code == 2 and (out / "README.md").read_text() == "mine"
