"""May bf16 be trusted? `python benchmarks/bf16_equivalence.py FOLDER [KEY=VALUE ...]`; needs bfloat16 units.

Trains MNIST (20,000 images, 5 epochs) in fp32 and in bf16 from equal seeds, and compares final cfd and recall, in
pairs, by the logarithm of bf16's over fp32's:

1. a pilot of 8 pairs (seeds 1000 to 1007) gives the standard deviation of a pair, and with it the number of pairs for
   which two one-sided tests at 5 % call two equal precisions equivalent within 10 % in 90 % of the cases; 60 at most;
2. the number is printed, then so many new pairs (seeds 0, 1, ...) are trained;
3. where the 90 % interval of the ratio lies within 1/1.1 to 1.1 for cfd and for recall, they are equivalent; where it
   lies outside, different. Else it is undecided, and fp32 stays the default.

The sweeps in FOLDER go on after an interruption with the same command. Overrides are those of all runs, such as
`experiment=...` or `trainer.d_steps=1`.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, stats

import ganexp

METRICS = ("cfd", "recall")
BOUND, LEVEL, POWER = math.log(1.1), 0.05, 0.9
PILOT, PILOT_FROM, MOST = 8, 1000, 60


def main() -> None:
    """Make the pilot, say the number, make the pairs, decide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    capable = torch.cpu.get_capabilities()
    if not any(capable.get(name) for name in ("avx512_bf16", "amx_bf16")):
        raise SystemExit(
            "expected a processor with bfloat16 units (avx512_bf16 or amx_bf16); emulation is not asked about"
        )
    pilot = pairs(options.folder / "pilot", f"range({PILOT_FROM},{PILOT_FROM + PILOT})", options.overrides)
    spreads = {name: float(np.std(ratios, ddof=1)) for name, ratios in pilot.items()}
    needed = max(pairs_needed(spread) for spread in spreads.values())
    count = min(MOST, needed)
    shown = ", ".join(f"{name} {spread:.3f}" for name, spread in spreads.items())
    print(f"pilot of {PILOT} pairs: sd of log ratios {shown}; {needed} pairs are needed, {count} are made", flush=True)
    for name, ratios in pairs(options.folder / "pairs", f"range({count})", options.overrides).items():
        low, high = interval(ratios)
        middle = math.exp(float(ratios.mean()))
        print(f"{name}: bf16 / fp32 {middle:.3f} ({math.exp(low):.3f} to {math.exp(high):.3f}): {verdict(low, high)}")


def pairs(folder: Path, seeds: str, overrides: list[str]) -> dict[str, NDArray[np.float64]]:
    """Metric -> log(bf16 / fp32) of each seed, trained into a sweep."""
    common = ["dataset=mnist", "dataset.num_images=20000", "trainer.epochs=5", "metrics.every_epochs=5"]
    asked = [*common, *overrides, "trainer.precision=fp32,bf16", f"seed={seeds}", f"hydra.sweep.dir={folder}"]
    done = subprocess.run([sys.executable, "-m", "ganexp", "--multirun", *asked, "sweep.report=false"])
    if done.returncode:
        raise SystemExit(f"the sweep in {folder} ended with {done.returncode}")
    table = ganexp.load_summary(folder).pivot_table(index="seed", columns="trainer.precision", values=list(METRICS))
    if not (table > 0).to_numpy().all():
        raise SystemExit(f"{folder}: expected cfd and recall above 0 in every run, got\n{table}")
    return {name: np.log(table[name]["bf16"] / table[name]["fp32"]).to_numpy() for name in METRICS}


def pairs_needed(spread: float) -> int:
    """Pairs for which two one-sided t tests find equal precisions equivalent with probability `POWER`, if they are.

    The interval's end is t(n - 1) spread / sqrt(n) from the mean, which must stay within `BOUND` on both sides.
    """

    def power(n: float) -> float:
        error = spread / math.sqrt(n)
        room = BOUND / error - float(stats.t.ppf(1 - LEVEL, n - 1))
        return 2 * float(stats.t.cdf(room, n - 1)) - 1 if room > 0 else 0.0

    if power(10_000) < POWER:
        return 10_000
    return math.ceil(optimize.brentq(lambda n: power(n) - POWER, 2.0, 10_000.0)) if power(2.0) < POWER else 2


def interval(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """The 90 % interval of the mean, whose ends are what both one-sided tests at 5 % look at."""
    width = float(stats.t.ppf(1 - LEVEL, len(ratios) - 1)) * float(np.std(ratios, ddof=1)) / math.sqrt(len(ratios))
    return float(ratios.mean()) - width, float(ratios.mean()) + width


def verdict(low: float, high: float) -> str:
    """What an interval of log ratios says."""
    if low > -BOUND and high < BOUND:
        return "equivalent within 10 %"
    return "different by more than 10 %" if low > BOUND or high < -BOUND else "undecided; fp32 stays"


if __name__ == "__main__":
    main()
