"""The last lines of a run: its value, the word for it, what helps where it is bad, and where to look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ganexp.config.run_spec import RunSpec
from ganexp.files.record import reported
from ganexp.files.run_folder import number_in
from ganexp.metrics import words

FEW_STEPS = 5_000  # generator steps; below them, more steps helped most (analysis/digits_grid)
PRESETS = {
    "digits": "quickstart",
    "mnist": "best_mnist",
    "fashion_mnist": "best_fashion_mnist",
    "cifar10": "best_cifar10",
}  # data set -> the experiment that is known to do well on it


def closing_lines(spec: RunSpec, result: Mapping[str, Any]) -> str:
    """What is printed of a run that has just completed; the value is the one that reports print."""
    return "\n  ".join(_lines(spec, result))


def _lines(spec: RunSpec, result: Mapping[str, Any]) -> Iterator[str]:
    name, value = reported(result)
    floor = result["floors"].get(name)
    measured = "nothing was measured" if value is None else f"{name} {value:.4g}"
    measured += "" if value is None or floor is None else f" (real images: {floor:.3g})"
    word = words.word_of(result)
    yield "; ".join(filter(None, (spec.caveat, measured))) + (f": {word}" if word else "")
    marked = (result["provenance"].get("metrics") or {}).get("marked") or {}
    for column, why in marked.items():
        yield f"{column} {result['final'][column]:.4g} says little: {why}"
    if trouble := result.get("trouble"):
        yield f"trouble: {trouble}"
    if word in words.BAD:
        yield f"what helps: {', or '.join(_helps(spec, result))}"
    grids = spec.folder.sample_grids()
    yield f"pictures: {_short(max(grids, key=number_in, default=spec.directory / 'samples'))}"
    yield f"losses: {_short(spec.directory / 'losses.png')}"
    yield f"metrics: {_short(spec.folder.metrics_csv)}"


def _short(path: Path) -> Path:
    """A path as seen from the current folder, where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _helps(spec: RunSpec, result: Mapping[str, Any]) -> Iterator[str]:
    trainer, steps = spec.config.trainer, int(result["step"])
    if steps < FEW_STEPS and trainer.max_steps is None and trainer.max_seconds is None:
        epochs = trainer.epochs * max(2, -(-FEW_STEPS // steps))
        yield f"more than its {steps:,} steps (trainer.epochs={epochs} goes on from here)"
    preset = PRESETS.get(spec.dataset.name)
    yield f"experiment={preset}" if preset else f"the settings of experiment={PRESETS['mnist']}"
