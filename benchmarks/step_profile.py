"""Where the time of a training step goes, in the original's way and in ganexp's: `python benchmarks/step_profile.py`.

One thread each, fp32, MNIST. torch.profiler says how long each operator itself took; what no operator accounts for is
Python, and reading and decoding images. The profiler's own cost is taken out by scaling to the time without it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

from throughput import data_root, machine, warm

KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "linear"),
    "optimizer": ("_fused_adam", "_foreach"),
    "random numbers": ("rand", "normal_", "bernoulli_", "uniform_", "dropout"),
    "copies and casts": ("copy_", "cat", "clone", "index", "_to_copy", "stack", "contiguous", "fill_", "zero_"),
}
"""Kind -> operators, by the beginnings of their names; all others are elementwise ones and reductions."""

ELSE, OUTSIDE = "elementwise, reductions", "outside operators (Python; reading and decoding images)"


def kind_of(event: Any) -> str:
    """The kind of an operator's event; whatever happens in an optimizer's step is the optimizer's."""
    above = event.cpu_parent
    while above is not None:
        if above.name.startswith("Optimizer.step"):
            return "optimizer"
        above = above.cpu_parent
    name = event.name.partition("::")[2]
    for kind, starts in KINDS.items():
        if name.startswith(starts):
            return kind
    return ELSE


def measure(variant: str, batch: int, root: str, seconds: float) -> tuple[float, dict[str, float]]:
    """Milliseconds of a step without the profiler, and of each kind."""
    from torch.profiler import ProfilerActivity, profile

    run, traced_seconds = warm(variant, 1, batch, root, "fp32"), seconds / 4
    plain = 1000 * batch / run(seconds)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        traced = 1000 * batch / run(traced_seconds)
    spent: dict[str, float] = {}
    for event in profiler.events():
        if event.name.startswith("aten::"):
            spent[kind_of(event)] = spent.get(kind_of(event), 0.0) + event.self_cpu_time_total / 1000
    steps = 1000 * traced_seconds / traced
    inside = {kind: total / steps for kind, total in spent.items()}
    scale = plain / max(traced, sum(inside.values()))
    found = {kind: scale * value for kind, value in inside.items()}
    return plain, {**found, OUTSIDE: plain - sum(found.values())}


def alone(pipe: Any, *arguments: Any) -> None:
    """In a process of its own."""
    pipe.send(measure(*arguments))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        root = str(data_root(Path(folder)))
        for name, variant in (("reference", "reference"), ("ganexp", "ours")):
            here, there = context.Pipe()
            process = context.Process(target=alone, args=(there, variant, options.batch, root, options.seconds))
            process.start()
            found[name] = here.recv()
            process.join()
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"\n| ms a step, batch {options.batch}, one thread |" + "".join(f" {name} |" for name in found))
    print("|---|" + "---|" * len(found))
    for kind in (*KINDS, ELSE, OUTSIDE):
        cells = [
            f" {parts.get(kind, 0.0):.1f} ({100 * parts.get(kind, 0.0) / whole:.0f} %) |"
            for whole, parts in found.values()
        ]
        print(f"| {kind} |" + "".join(cells))
    print("| whole step |" + "".join(f" {whole:.1f} |" for whole, _ in found.values()))


if __name__ == "__main__":
    main()
