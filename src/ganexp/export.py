"""`ganexp export RUN_DIR --format pt2 --out DIR`: a run's generator in files that need no ganexp, with a model card."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganexp.cli import ChangedCode, Trust, reporting, start
from ganexp.types.terminal import plain, say

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig
    from ganexp.trainer.trained import TrainedGenerator


class Format(StrEnum):
    """What a generator can be written as."""

    PT2 = "pt2"
    ONNX = "onnx"
    SAFETENSORS = "safetensors"


FILES = {
    Format.PT2: ("generator.pt2",),
    Format.ONNX: ("generator.onnx",),
    Format.SAFETENSORS: ("generator.safetensors", "generator.py"),
}
CARD = "README.md"


def main(
    run_dir: Annotated[Path, typer.Argument(help="The run whose generator it is.", metavar="RUN_DIR")],
    out: Annotated[Path, typer.Option(help="Folder for the files; made where it is missing.")],
    format_: Annotated[
        Format, typer.Option("--format", help="pt2: torch alone; onnx: any runtime; safetensors: weights and code.")
    ] = Format.PT2,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the newest if left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are not ganexp's own.")] = False,
    trust: Trust = None,
    changed_code: ChangedCode = "refuse",
) -> None:
    """Write the generator of a run (its average where it has one) for other programs; its pictures are compared."""
    with reporting(options=True):
        from ganexp.files import owned

        owned.check(out, dict.fromkeys((*FILES[format_], CARD)), force=force)
        from ganexp.config.reopen import open_config
        from ganexp.trainer.exporting import exported
        from ganexp.trainer.trained import load_generator
        from ganexp.types.doing import doing

        with doing(f"exporting {run_dir} as {format_}"):
            module = load_generator(run_dir, checkpoint=checkpoint, trust=trust or [], changed_code=changed_code)
            files = exported(module, format_.value)
        config, texts = open_config(run_dir, trust or [])
        card = "\n".join(_card(run_dir, config, texts.overrides, module, checkpoint))
        owned.write(out, {**files, CARD: card.encode()}, force=force)
    say(f"{', '.join(files)} and {CARD}, loaded again with equal pictures: {out}")


def _card(
    run_dir: Path, config: RunConfig, overrides: str, module: TrainedGenerator, checkpoint: str | None
) -> Iterator[str]:
    from ganexp.files.run_folder import RunFolder

    result = RunFolder(run_dir).finished_result() or {}
    data = (result.get("provenance") or {}).get("dataset") or {}
    shape = " x ".join(map(str, module.image_shape))
    yield f"# Generator {_words(run_dir.resolve().name)}\n"
    yield f"- network: {_words(config.model.path)}, {sum(p.numel() for p in module.parameters()):,} parameters"
    yield f"- weights: {'averaged over the training' if config.trainer.ema_kimg is not None else 'of the last step'}, "
    yield f"  {_words(checkpoint or 'the newest epoch')}; {result.get('step', 'an unknown number of')} steps in all"
    yield f"- trained on: {_words(data.get('name') or config.dataset.path)}, loss {_words(config.loss.path)}"
    yield f"- input: z, float32 (N, {module.latent_dim}), {module.latent_words}" + _labels(module)
    yield f"- output: images, float32 (N, C, H, W), {shape}, in [-1, 1]; (x + 1) * 127.5 are bytes\n"
    yield from _measured(result)
    yield "## Made by\n"
    yield f"```\n{_command(overrides)}\n```\n"
    yield "## Use\n"
    labels = "" if module.num_classes is None else ", torch.zeros(16, dtype=torch.int64)"
    yield USE.format(labels=labels, latent_dim=module.latent_dim)
    yield "## Licence\n"
    yield "What may be done with this generator depends on the licence of the pictures that it was trained on: fill in."


USE = """```python
import torch
given = (torch.randn(16, {latent_dim}){labels},)  # as many as you like

images = torch.export.load("generator.pt2").module()(*given)  # pt2: torch alone

from generator import load  # safetensors: torch and safetensors
images = load()(*given)

import onnxruntime  # onnx
session = onnxruntime.InferenceSession("generator.onnx")
names = [each.name for each in session.get_inputs()]
images = session.run(None, dict(zip(names, (each.numpy() for each in given))))[0]
```
"""


def _labels(module: TrainedGenerator) -> str:
    if module.num_classes is None:
        return ""
    names = f": {_words(', '.join(module.class_names))}" if module.class_names else ""
    return f"; labels, int64 (N,), 0 .. {module.num_classes - 1}{names}"


def _measured(result: Mapping[str, Any]) -> Iterator[str]:
    """The final metrics with what real images reach, and the word for them."""
    from ganexp.metrics.words import word_of

    floors, final = result.get("floors") or {}, result.get("final") or {}
    if not floors:
        yield "Nothing was measured, or the run is not finished.\n"
        return
    yield "## Measured at the end of the run\n"
    yield "| metric | this generator | real images |\n|---|---|---|"
    yield from (f"| {_words(name)} | {final[name]:.4g} | {floors[name]:.4g} |" for name in floors if name in final)
    word = word_of(result)
    yield f"\nIn a word: {word}.\n" if word else ""


def _command(overrides: str) -> str:
    import yaml

    words = [text for text in map(str, yaml.safe_load(overrides) or []) if not text.lstrip("+").startswith("sweep.")]
    return plain(shlex.join(["ganexp", *words])).replace("`", "'").replace("\n", " ")


def _words(text: object) -> str:
    """Text of others in one line of Markdown, without markup."""
    shown = " ".join(plain(text).split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in shown)


if __name__ == "__main__":
    start(main)
