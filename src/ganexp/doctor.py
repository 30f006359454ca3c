"""`python -m ganexp.doctor`: what ganexp finds on this machine, whether its device trains as the CPU does, how fast."""

from __future__ import annotations

import multiprocessing
import os
import platform
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from ganexp.cli import reporting, start
from ganexp.config.run_spec import Identity, RunSpec
from ganexp.files.data_root import own_root
from ganexp.files.provenance import git_revision, versions
from ganexp.files.record import Texts
from ganexp.trainer import build
from ganexp.trainer.rehearsal import Training
from ganexp.trainer.threads import apart
from ganexp.types import Dataset
from ganexp.types.errors import ConfigError
from ganexp.types.system import cores, total_memory
from ganexp.types.terminal import in_units, plain

STEPS = 20  # compared, as many as the time allows
COMPARED_SECONDS = 3.0  # for the steps of one side
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


def affordable(spec: RunSpec) -> int:
    """How many steps are compared: fewer than `STEPS` where the CPU takes long for one."""
    for _ in range(2):  # the first one warms up
        started = time.perf_counter()
        losses(spec, torch.device("cpu"), 1)
    return max(2, min(STEPS, int(COMPARED_SECONDS / (time.perf_counter() - started))))


def why(spec: RunSpec, where: torch.device) -> str:
    """Why training takes a device."""
    if spec.config.trainer.device != "auto":
        return f"trainer.device={spec.config.trainer.device}"
    if where.type != "cpu":
        return "trainer.device=auto takes a GPU where torch sees one"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    none = f"torch {torch.__version__} sees no GPU"
    return build.why_no_gpu() or (f"CUDA_VISIBLE_DEVICES={hidden!r} hides GPUs" if hidden in ("", "-1") else none)


def losses(spec: RunSpec, where: torch.device, steps: int = STEPS, *, threads: int = 1, nudge: float = 0.0) -> Tensor:
    """The losses of each step, float64 (steps, 2), discriminator and generator; random numbers are those of the CPU.

    `nudge`: relative change of the weights before the first step.
    """
    found = []
    with apart(spec, threads), DrawnOnCpu():  # type: ignore[no-untyped-call]
        training = _on(spec, where)
        with torch.no_grad():
            for net in (training.state.generator, training.state.discriminator):
                for weight in net.parameters():
                    weight.mul_(1 + nudge)
        for _ in range(steps):
            training.state.sums.zero_()
            training.step()
            d_loss, g_loss, *_, images = training.state.sums.tolist()
            found.append([d_loss / images, g_loss / images])
    return torch.tensor(found, dtype=torch.float64)


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference of losses relative to the larger of them and 1; NaN where one is."""
    return float(((one - other).abs() / one.abs().clamp(min=1.0)).max())


class DrawnOnCpu(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, every random number is drawn on the CPU and brought to the device that it is for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        named = kwargs.get("device")
        if func._schema.is_mutable:  # fills its first argument
            drawn = func(torch.empty_like(args[0], device="cpu"), *args[1:], **kwargs)
            return args[0].copy_(drawn)
        given = [each for each in args if isinstance(each, Tensor)]
        place = given[0].device if given else torch.device(named or "cpu")
        moved = tree_map_only(Tensor, lambda each: each.cpu(), args)
        drawn = func(*moved, **({**kwargs, "device": torch.device("cpu")} if named is not None else kwargs))
        return tree_map_only(Tensor, lambda each: each.to(place), drawn)


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators."""

    calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def a_step(spec: RunSpec, where: torch.device) -> Iterator[Finding]:
    """Operators of a step, on a GPU of NVIDIA's kernels and waits for it, and its time."""
    with apart(spec, torch.get_num_threads()):
        training = _on(spec, where)
        training.step()
        with _Count() as count:  # type: ignore[no-untyped-call]
            training.step()
        asks, waits = [f"{count.calls} operators"], 0
        if where.type == "cuda":
            waits = _waits(training)
            asks += [f"{_kernels(training)} kernels", f"{waits} waits for the GPU"]
        trainer = spec.config.trainer
        ms = 1000 * trainer.batch_size / _images_per_second(training, 1.0)
    text = f"{spec.config.model.name}, batch {trainer.batch_size}, d_steps {trainer.d_steps}, {trainer.precision}"
    yield Finding(f"a step ({text}): {', '.join(asks)}, {ms:.1f} ms", wrong=waits > 0)


def _waits(training: Training) -> int:
    """How often a step waits for the GPU, as torch warns of it."""
    torch.cuda.synchronize(training.state.device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            training.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(each.message) for each in caught)


def _kernels(training: Training) -> int:
    """Kernels that a step launches."""
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        training.step()
        torch.cuda.synchronize(training.state.device)
    return sum(event.device_type.name == "CUDA" for event in profile.events())


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
    training = _on(spec, where)
    training.step()
    _WARM[:] = [training, all_warm]


def _meet(number: int) -> None:
    _WARM[1].wait(WAIT_SECONDS)


def _measured(begin: float) -> float:
    time.sleep(max(0.0, begin - time.time()))
    return _images_per_second(_WARM[0], PACE_SECONDS)


def _images_per_second(training: Training, seconds: float) -> float:
    """Of some seconds' steps."""
    _synchronize(training)
    first, started = training.state.step, time.perf_counter()
    while time.perf_counter() - started < seconds:
        training.step()
        if training.state.step % 10 == 0:
            _synchronize(training)
    _synchronize(training)
    seen = training.batches.images_seen(training.state.step) - training.batches.images_seen(first)
    return seen / (time.perf_counter() - started)


def _synchronize(training: Training) -> None:
    if training.state.device.type != "cpu":
        torch.accelerator.synchronize(training.state.device)


def _on(spec: RunSpec, where: torch.device) -> Training:
    """A training of its own on a device."""
    trainer = replace(spec.config.trainer, device=str(where))
    return Training(replace(spec, config=replace(spec.config, trainer=trainer)))


def _named(where: torch.device) -> str:
    if where.type != "cuda":
        return ""
    version = ".".join(map(str, torch.cuda.get_device_capability(where)))
    memory = in_units(torch.cuda.get_device_properties(where).total_memory)
    return f", {torch.cuda.get_device_name(where)} of {version}, {memory}, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    start(main)
