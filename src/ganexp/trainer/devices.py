"""What a device makes of a training's steps: losses beside the CPU's, waits and kernels of a GPU, images/s."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from ganexp.config.run_spec import RunSpec
from ganexp.trainer.rehearsal import Training
from ganexp.trainer.threads import apart
from ganexp.trainer.timing import synchronize

STEPS = 20  # compared, as many as the time allows
COMPARED_SECONDS = 3.0  # for the steps of one side


def on_device(spec: RunSpec, where: torch.device) -> Training:
    """A training of its own on a device."""
    trainer = replace(spec.config.trainer, device=str(where))
    return Training(replace(spec, config=replace(spec.config, trainer=trainer)))


def affordable(spec: RunSpec) -> int:
    """How many steps are compared: fewer than `STEPS` where the CPU takes long for one."""
    for _ in range(2):  # the first one warms up
        started = time.perf_counter()
        losses(spec, torch.device("cpu"), 1)
    return max(2, min(STEPS, int(COMPARED_SECONDS / (time.perf_counter() - started))))


def losses(spec: RunSpec, where: torch.device, steps: int = STEPS, *, threads: int = 1, nudge: float = 0.0) -> Tensor:
    """The losses of each step, float64 (steps, 2), discriminator and generator; random numbers are those of the CPU.

    `nudge`: relative change of the weights before the first step.
    """
    found = []
    with apart(spec, threads), DrawnOnCpu():  # type: ignore[no-untyped-call]
        training = on_device(spec, where)
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
    """The largest difference of losses, relative to those of `one`, or to 1 where these are smaller; it may be NaN."""
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


class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators."""

    calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def waits(training: Training) -> int:
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


def kernels(training: Training) -> int:
    """Kernels that a step launches."""
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        training.step()
        torch.cuda.synchronize(training.state.device)
    return sum(event.device_type.name == "CUDA" for event in profile.events())


def images_per_second(training: Training, seconds: float) -> float:
    """Of some seconds' steps."""
    synchronize(training)
    first, started = training.state.step, time.perf_counter()
    while time.perf_counter() - started < seconds:
        training.step()
        if training.state.step % 10 == 0:
            synchronize(training)
    synchronize(training)
    seen = training.batches.images_seen(training.state.step) - training.batches.images_seen(first)
    return seen / (time.perf_counter() - started)
