"""The comparison's statistics against simulation: `python benchmarks/report_statistics.py [--sweeps 2000]`.

Sweeps of 18 log-normal settings and 5 seeds, scored and compared as the report does. "Found" means that the better
setting is told apart from all 17 others. A standard error is that of the difference between two settings' means.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from numpy.typing import NDArray

from ganexp.report.statistics import Comparison, compare

SETTINGS, SEEDS, SIGMA, LEVEL = 18, 5, 0.3, 100.0


def sweep(
    rng: np.random.Generator,
    effects: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    seed_sd: float,
    per_trajectory: int = 1,
    correlation: float = 0.0,
    missing: float = 0.0,
) -> Comparison:
    """One simulated sweep; runs of a trajectory share a part of their residual."""
    k = len(effects)
    shared = rng.normal(size=(k // per_trajectory, SEEDS)).repeat(per_trajectory, axis=0)
    noise = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * rng.normal(size=(k, SEEDS))
    y = LEVEL * np.exp(effects[:, None] + seed_sd * rng.normal(size=SEEDS) + sigmas[:, None] * noise)
    rows, columns = np.indices(y.shape)
    kept = rng.random(y.shape) >= missing
    kept[:, :3] = True
    units = [(int(r) // per_trajectory, int(c)) for r, c in zip(rows[kept], columns[kept], strict=True)]
    return compare(rows[kept].tolist(), columns[kept].tolist(), y[kept].tolist(), units)


def rates(sweeps: int, truth: NDArray[np.float64], sigmas: NDArray[np.float64], **how: float) -> dict[str, float]:
    """Error, coverage and power over simulated sweeps of settings with log effects `truth`."""
    rng = np.random.default_rng(0)
    best = set(np.flatnonzero(truth == truth.min()).tolist())
    false = found = 0
    covered: list[bool] = []
    wide: list[bool] = []
    for _ in range(sweeps):
        result = sweep(rng, truth, sigmas, **how)  # type: ignore[arg-type]
        false += bool(result.told_apart & best)
        found += result.estimates[0].setting in best and len(result.told_apart) == len(truth) - len(best)
        for estimate in result.estimates:
            inside = estimate.low is not None and estimate.low <= LEVEL * math.exp(truth[estimate.setting])
            inside = inside and estimate.high is not None and LEVEL * math.exp(truth[estimate.setting]) <= estimate.high
            (wide if sigmas[estimate.setting] > sigmas.min() else covered).append(inside)
    share = {"false": false / sweeps, "found": found / sweeps, "coverage": float(np.mean(covered))}
    return share | ({"coverage of the wide": float(np.mean(wide))} if wide else {})


def cases() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]]:
    """Name -> true log effects, residual standard deviations, and the rest."""
    equal, same = np.zeros(SETTINGS), np.full(SETTINGS, SIGMA)
    error = SIGMA * math.sqrt(2 / SEEDS)
    one, one_uneven, six, two = (equal.copy() for _ in range(4))
    one[4] = -5 * error
    one_uneven[4] = -5 * error * math.sqrt(2)  # the mean of the variances is twice that of the narrow settings
    six[:12] += 5 * error
    two[2:] += 8 * error
    uneven = np.where(np.arange(SETTINGS) % 2, SIGMA * math.sqrt(3), SIGMA)
    return {
        "18 equal": (equal, same, {"seed_sd": 0.0}),
        "18 equal, seeds differ": (equal, same, {"seed_sd": 0.3}),
        "18 equal, a tenth of the runs missing": (equal, same, {"seed_sd": 0.3, "missing": 0.1}),
        "18 equal, read off 6 trajectories, correlation 0.8": (
            equal,
            same,
            {"seed_sd": 0.3, "per_trajectory": 3, "correlation": 0.8},
        ),
        "18 equal, variances 3:1": (equal, uneven, {"seed_sd": 0.0}),
        "6 equal best, 12 worse": (six, same, {"seed_sd": 0.3}),
        "2 equal best, 16 far worse": (two, same, {"seed_sd": 0.3}),
        "one better by 5 standard errors": (one, same, {"seed_sd": 0.3}),
        "one better by 5 standard errors, variances 3:1": (one_uneven, uneven, {"seed_sd": 0.3}),
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sweeps", type=int, default=2000)
    sweeps = parser.parse_args().sweeps
    print(f"{SETTINGS} settings x {SEEDS} seeds, {sweeps} sweeps each\n")
    print("| settings | a true best told apart | the better found | coverage of 95 % intervals |")
    print("|---|---|---|---|")
    started = time.monotonic()
    for name, (truth, sigmas, how) in cases().items():
        share = rates(sweeps, truth, sigmas, **how)
        wide = f" (wide ones {100 * share['coverage of the wide']:.1f} %)" if "coverage of the wide" in share else ""
        found = "" if truth.min() == truth.max() else f"{100 * share['found']:.1f} %"
        print(f"| {name} | {100 * share['false']:.1f} % | {found} | {100 * share['coverage']:.1f} %{wide} |")
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
