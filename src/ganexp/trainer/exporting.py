"""A generator in files that need no ganexp, each loaded again and its pictures compared before it is written."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganexp.trainer.trained import TrainedGenerator
from ganexp.types.errors import ConfigError

CLOSE = 1e-4  # by which a pixel in [-1, 1] may differ
TRIED = (1, 3)  # images that are compared

Loaded = Callable[..., Any]
"""z, and labels where there are classes -> images."""


def exported(module: TrainedGenerator, kind: str) -> dict[str, bytes]:
    """Name -> content of the files of a format: pt2, onnx or safetensors.

    Raises:
        ConfigError: packages are missing, or the network cannot be written in this format.
    """
    write = {"pt2": _pt2, "onnx": _onnx, "safetensors": _safetensors}[kind]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        folder = Path(name)
        try:
            loaded = write(module, folder)
            difference = max(_difference(module, loaded, count) for count in TRIED)
        except ConfigError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error)[:500]}"
            raise ConfigError(f"--format {kind}: expected a generator that can be exported, got {reason}") from error
        if not difference <= CLOSE:
            raise ConfigError(f"--format {kind}: expected equal pictures, got pixels that differ by {difference:.2g}")
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _inputs(module: TrainedGenerator, count: int) -> tuple[Tensor, ...]:
    z = module.draw_z(count, seed=1)
    return (z,) if module.num_classes is None else (z, torch.arange(count) % module.num_classes)


def _difference(module: TrainedGenerator, loaded: Loaded, count: int) -> float:
    inputs = _inputs(module, count)
    return float((torch.as_tensor(loaded(*inputs)) - module(*inputs)).abs().max())


def _program(module: TrainedGenerator) -> Any:
    """The generator's computation for any number of images, on any device."""
    inputs, batch = _inputs(module, 2), torch.export.Dim("batch")
    program = torch.export.export(module, inputs, dynamic_shapes=_dynamic(module, batch))
    for node in list(program.graph.nodes):
        if "_assert_tensor_metadata" in str(node.target):  # it holds to one device
            program.graph.erase_node(node)
    program.graph_module.recompile()
    return program


def _dynamic(module: TrainedGenerator, batch: Any) -> dict[str, Any]:
    return {name: {0: batch} for name in (("z",) if module.num_classes is None else ("z", "labels"))}


def _pt2(module: TrainedGenerator, folder: Path) -> Loaded:
    path = folder / "generator.pt2"
    torch.export.save(_program(module), path)
    loaded: Loaded = torch.export.load(path).module()
    return loaded


def _onnx(module: TrainedGenerator, folder: Path) -> Loaded:
    try:
        runtime, _, _ = (import_module(name) for name in ("onnxruntime", "onnx", "onnxscript"))
    except ImportError as error:
        raise ConfigError(f"--format onnx: {error}; pip install 'ganexp[export]' installs what it needs") from None
    path, inputs = folder / "generator.onnx", _inputs(module, 2)
    names = ["z", "labels"][: len(inputs)]
    torch.onnx.export(
        module,
        inputs,
        path,
        dynamo=True,
        verbose=False,
        external_data=False,
        input_names=names,
        output_names=["images"],
        dynamic_shapes=_dynamic(module, torch.export.Dim("batch")),
    )
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda *given: session.run(None, dict(zip(names, (each.numpy() for each in given), strict=True)))[0]


TEMPLATE = '''"""A generator that ganexp trained. It needs torch and safetensors alone.

    from generator import load
    images = load()({call})  # float32 (16, {shape}) in [-1, 1]

{about}
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import device, inf, nan  # noqa: F401  (names in the code below)

LATENT_DIM = {latent_dim}
NAMES = {names}


class Generator(torch.nn.Module):
    """{takes} -> images (N, {shape}) in [-1, 1]."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        weights = load_file(path)
        for name in NAMES:
            self.register_buffer(name, weights[name])

    def forward(self, {arguments}):
        return _forward({passed})[0]


def load(path: str | Path = Path(__file__).with_name("generator.safetensors")) -> Generator:
    """The generator with its weights."""
    return Generator(path).eval()


{code}
'''


def _safetensors(module: TrainedGenerator, folder: Path) -> Loaded:
    program = _program(module)
    signature, given = program.graph_signature, ["z"] if module.num_classes is None else ["z", "labels"]
    targets = {spec.arg.name: spec.target for spec in signature.input_specs if spec.target is not None}
    tensors = {**program.state_dict, **program.constants}
    weights = {name: tensors[target].detach().clone().contiguous() for name, target in targets.items()}
    save_file(weights, folder / "generator.safetensors")
    (folder / "generator.py").write_text(_code(module, program, list(weights), given), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("generator", folder / "generator.py")
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    loaded: Loaded = code.load()
    return loaded


def _code(module: TrainedGenerator, program: Any, names: list[str], given: list[str]) -> str:
    body = str(program.graph_module.code).strip().replace("def forward(self, ", "def _forward(", 1)
    about, call = f"z float32 (N, LATENT_DIM), {module.latent_words}", "torch.randn(16, LATENT_DIM)"
    if module.latent != "normal":
        call = "(torch.rand(16, LATENT_DIM) * 2 - 1) * 3**0.5"
    if module.num_classes is not None:
        about += f"; labels int64 (N,) in 0 .. {module.num_classes - 1}"
        call += ", torch.zeros(16, dtype=torch.int64)"
    order = [node.name for node in program.graph.nodes if node.op == "placeholder"]
    passed = ", ".join(f"self.{name}" if name in names else name for name in order if name in (*names, *given))
    return TEMPLATE.format(
        call=call,
        shape=", ".join(map(str, module.image_shape)),
        about=about,
        latent_dim=module.latent_dim,
        names=names,
        takes=" and ".join(given),
        arguments=", ".join(given),
        passed=passed,
        code=body,
    )
