"""`python -m ganexp.doctor`: what ganexp finds on this machine, whether its device trains as the CPU does, how fast."""

from __future__ import annotations

import multiprocessing
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ganexp.cli import reporting, start
from ganexp.config.run_spec import Identity, RunSpec
from ganexp.files.data_root import own_root
from ganexp.files.provenance import git_revision, versions
from ganexp.files.record import Texts
from ganexp.trainer import build
from ganexp.trainer.devices import (
    Count,
    affordable,
    difference,
    images_per_second,
    kernels,
    losses,
    on_device,
    waits,
)
from ganexp.trainer.threads import apart
from ganexp.types import Dataset
from ganexp.types.errors import ConfigError
from ganexp.types.system import cores, total_memory
from ganexp.types.terminal import in_units, plain

IMAGES = 2048  # random ones, 28 x 28, of 10 labels, which the steps see
LAST_DIGIT = 2.0**-23  # relative change of the weights that the bound is measured by, float32's last digit
TIMES = 100.0  # the bound, of what that change makes of the losses
LEAST = 1e-5  # the bound, at least
AT_ONCE = (1, 4, 8)  # runs whose speed is measured; on a CPU one, and one for each of its cores
PACE_SECONDS = 2.0  # of each of these measurements
WAIT_SECONDS = 120.0  # for the slowest of their processes
SETTABLE = ("model", "loss", "penalty", "optim", "augment", "trainer.")  # what overrides may be about


@dataclass(frozen=True)
class Finding:
    """A line of the block."""

    text: str
    wrong: bool = False


def main(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys of the training: model=dcgan", metavar="KEY=VALUE")
    ] = None,
) -> None:
    """Look at this machine and train on random images for half a minute; prints one block to paste into an issue.

    The device that trainer.device names (auto) takes 20 training steps, and the CPU the same ones with the same random
    numbers. Nothing is written. Ends with 1 where something is wrong.
    """
    with reporting():
        spec = random_images(overrides or ())
        where = build.set_up_torch(spec)
        typer.echo("```")
        wrong = 0
        for finding in (*about(), *examined(spec, where), *pace(spec, where, overrides or ())):
            typer.echo(plain(("WRONG: " if finding.wrong else "") + finding.text))
            wrong += finding.wrong
        typer.echo(f"found wrong: {wrong or 'nothing'}\n```")
    if wrong:
        raise SystemExit(1)


def random_images(overrides: Sequence[str]) -> RunSpec:
    """A training on random images.

    Raises:
        ConfigError: an override is about something else, or Hydra refuses it.
    """
    from ganexp.__main__ import configuration

    for override in overrides:
        if not override.startswith(SETTABLE):
            raise ConfigError(f"{override}: expected a key of the training ({', '.join(SETTABLE)}...)")
    config = configuration(["metrics=none", *overrides])
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (IMAGES, 1, 28, 28), dtype=np.uint8), np.arange(IMAGES) % 10
    dataset = Dataset("random", images, labels, images[:2], labels[:2], "none", "random", 10, Path())
    return RunSpec(config, dataset, Identity("random", {}, "", "", "doctor"), Path(), Texts("", "", ""), in_sweep=True)


def about() -> Iterator[Finding]:
    """Versions, system, processor, memory, and the data root."""
    numbers = {**versions(), **({"revision": revision} if (revision := git_revision()) else {})}
    yield Finding(", ".join(f"{name} {number}" for name, number in numbers.items()))
    yield Finding(f"system: {platform.platform()}, {in_units(total_memory())} of memory")
    capable: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.9 has none
    units = " and ".join(name for name in ("avx512_bf16", "amx_bf16") if capable.get(name))
    bf16 = f"bfloat16 by {units}" if units else "no bfloat16 units that torch names, so trainer.precision=bf16 is slow"
    name = capable.get("cpu_name") or platform.processor() or platform.machine()
    kind = torch.backends.cpu.get_cpu_capability()
    yield Finding(f"processor: {name}, {kind}; {cores()} of {os.cpu_count()} cores for ganexp; {bf16}")
    root = own_root()
    free = shutil.disk_usage(next(path for path in (root, *root.parents) if path.exists())).free
    there = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    yield Finding(f"data root: {', '.join(there) or 'nothing there yet'}; {in_units(free)} free")


def examined(spec: RunSpec, where: torch.device) -> Iterator[Finding]:
    """The device and why it is taken, whether it trains as the CPU does, and what a step asks of it."""
    yield Finding(f"device: {where}{_named(where)} ({why(spec, where)})")
    cpu, steps = torch.device("cpu"), affordable(spec)
    on_cpu = losses(spec, cpu, steps)
    bound = max(LEAST, TIMES * difference(on_cpu, losses(spec, cpu, steps, nudge=LAST_DIGIT)))
    if where.type != "cpu":
        found, pair = difference(on_cpu, losses(spec, where, steps)), f"{where} and the CPU"
    else:
        found, pair = difference(on_cpu, losses(spec, where, steps, threads=cores())), f"1 thread and {cores()}"
    said = "equal" if found == 0 else f"{found:.1e} apart"
    yield Finding(f"losses of {steps} steps, {pair}: {said} (bound {bound:.0e})", wrong=not found <= bound)
    yield from a_step(spec, where)


def why(spec: RunSpec, where: torch.device) -> str:
    """Why training takes a device."""
    if spec.config.trainer.device != "auto":
        return f"trainer.device={spec.config.trainer.device}"
    if where.type != "cpu":
        return "trainer.device=auto takes a GPU where torch sees one"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    none = f"torch {torch.__version__} sees no GPU"
    return build.why_no_gpu() or (f"CUDA_VISIBLE_DEVICES={hidden!r} hides GPUs" if hidden in ("", "-1") else none)


def a_step(spec: RunSpec, where: torch.device) -> Iterator[Finding]:
    """Operators of a step, on a GPU of NVIDIA's kernels and waits for it, and its time."""
    with apart(spec, torch.get_num_threads()):
        training = on_device(spec, where)
        training.step()
        with Count() as count:  # type: ignore[no-untyped-call]
            training.step()
        asks, waited = [f"{count.calls} operators"], 0
        if where.type == "cuda":
            waited = waits(training)
            asks += [f"{kernels(training)} kernels", f"{waited} waits for the GPU"]
        trainer = spec.config.trainer
        ms = 1000 * trainer.batch_size / images_per_second(training, 1.0)
    text = f"{spec.config.model.name}, batch {trainer.batch_size}, d_steps {trainer.d_steps}, {trainer.precision}"
    yield Finding(f"a step ({text}): {', '.join(asks)}, {ms:.1f} ms", wrong=waited > 0)


def pace(spec: RunSpec, where: torch.device, overrides: Sequence[str]) -> Iterator[Finding]:
    """Images/s of several runs at once, each a process of its own with one thread."""
    counts = AT_ONCE if where.type == "cuda" else tuple(sorted({1, min(cores(), max(AT_ONCE))}))
    context = multiprocessing.get_context("spawn")
    all_warm = context.Barrier(max(counts))
    with ProcessPoolExecutor(max(counts), context, _warm, (tuple(overrides), all_warm)) as crew:
        list(crew.map(_meet, range(max(counts))))
        speeds = [sum(crew.map(_measured, [time.time() + 0.2] * count)) for count in counts]
    shown = [f"{count}: {speed:,.0f}" for count, speed in zip(counts, speeds, strict=True)]
    yield Finding(f"images/s by runs at once, one thread each: {', '.join(shown)}")


_WARM: list[Any] = []  # in a process that measures: its training, and what all of them meet at


def _warm(overrides: Sequence[str], all_warm: Any) -> None:
    """In a process of its own: a training that has taken a step."""
    spec = random_images(overrides)
    where = build.set_up_torch(spec)
    torch.set_num_threads(1)
    training = on_device(spec, where)
    training.step()
    _WARM[:] = [training, all_warm]


def _meet(number: int) -> None:
    _WARM[1].wait(WAIT_SECONDS)


def _measured(begin: float) -> float:
    time.sleep(max(0.0, begin - time.time()))
    return images_per_second(_WARM[0], PACE_SECONDS)


def _named(where: torch.device) -> str:
    if where.type != "cuda":
        return ""
    version = ".".join(map(str, torch.cuda.get_device_capability(where)))
    memory = in_units(torch.cuda.get_device_properties(where).total_memory)
    return f", {torch.cuda.get_device_name(where)} of {version}, {memory}, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    start(main)
