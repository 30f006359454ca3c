"""What a run costs beside its training: `python benchmarks/short_runs.py [--runs 60] [--rounds 3]`.

A sweep of short runs on the digits, one for each seed, against the same trainings in a plain loop: one process of one
thread that takes the same training steps, scores each last generator once, draws its images and its losses once, and
keeps a table of the scores, but writes no checkpoint, no status and no record and could not go on after a stop.

Both take turns (A B A B ...), starts included; wall time times the cores that are used counts: all of this machine for
the sweep, one for the loop. The loop's table must hold the sweep's values of half A, digit for digit: it is the same
training.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ours import Until, make_spec

BARS = {20: 1.15, 2: 1.5}
"""Epochs -> the most that a sweep may cost, of the plain loop."""

CHOSEN_BY = "cfd_half_a"


def main() -> None:
    """Measure both, print the rounds and their medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs="+", default=list(BARS))
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print("| epochs | sweep, core seconds | plain loop, core seconds | ratio | bar |\n|---|---|---|---|---|")
    for epochs in options.epochs:
        pairs = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as place:
                swept = cores * seconds(Path(place), *sweep_command(epochs, options.runs, cores))
                looped = seconds(Path(place), sys.executable, __file__, "--loop", str(epochs), str(options.runs))
                compare(Path(place), options.runs)
            pairs.append((swept, looped))
        ratio = statistics.median(one / other for one, other in pairs)
        shown = [", ".join(f"{each:.0f}" for each in column) for column in zip(*pairs, strict=True)]
        print(f"| {epochs} | {' | '.join(shown)} | {ratio:.2f} | {BARS.get(epochs, '')} |", flush=True)


def overrides(epochs: int) -> list[str]:
    """What all runs have in common."""
    once = [f"metrics.every_epochs={epochs}", "trainer.samples_every_epochs=null"]
    return ["experiment=quickstart", f"trainer.epochs={epochs}", *once]


def sweep_command(epochs: int, runs: int, cores: int) -> list[str]:
    """The sweep, its report left out, as the loop makes none."""
    asked = [*overrides(epochs), f"seed=range({runs})", f"hydra.launcher.n_jobs={cores}"]
    place = ["hydra.sweep.dir=sweep", "sweep.report=false"]
    return [sys.executable, "-m", "ganexp", "--multirun", *asked, *place]


def seconds(place: Path, *command: str) -> float:
    """Wall seconds of a command that must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - started


def compare(place: Path, runs: int) -> None:
    """Both made the same numbers."""
    with (place / "loop" / "table.csv").open() as file:
        looped = {row["seed"]: row[CHOSEN_BY] for row in csv.DictReader(file)}
    with (place / "sweep" / "summary.csv").open() as file:
        swept = {row["seed"]: row[CHOSEN_BY] for row in csv.DictReader(file)}
    assert len(swept) == runs and {seed: float(each) for seed, each in swept.items()} == {
        seed: float(each) for seed, each in looped.items()
    }, (swept, looped)


def loop(epochs: int, runs: int) -> None:
    """The plain loop, in this process."""
    from ganexp.files import png
    from ganexp.trainer.build import build_batches, build_game, build_state, make_evaluator, set_up_torch
    from ganexp.trainer.figures import losses_figure
    from ganexp.trainer.loop import Limits, train
    from ganexp.trainer.sampling import sampler

    folder = Path("loop")
    folder.mkdir()
    composed, evaluator, table = make_spec(*overrides(epochs)), None, []
    device = set_up_torch(composed)
    for seed in range(runs):
        spec = replace(composed, config=replace(composed.config, seed=seed))
        state, batches, game, rows = build_state(spec), build_batches(spec), build_game(spec), Rows()
        train(state, batches, game, Limits(epochs), seed, rows)
        evaluator = evaluator or make_evaluator(spec)
        assert evaluator is not None
        gan = state.gan
        sample = sampler(state.sampling_generator, gan.latent, gan.latent_dim, device)
        table.append({"seed": seed, **evaluator.evaluate(sample).values})
        png.save_grid(folder / f"samples_{seed}.png", png.to_uint8(sample(spec.config.trainer.sample_images)))
        losses_figure(folder / f"losses_{seed}.png", rows.rows, 0)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


class Rows(Until):
    """The training loop's hooks: the rows are kept, and time is never up."""

    end = math.inf

    def __init__(self) -> None:
        self.rows: list[dict[str, float | None]] = []

    def epoch_done(self, row: dict[str, float | None]) -> None:
        """Keep the row."""
        self.rows.append({**row, "d_heldout": row["d_real"], "d_generated": row["d_fake"]})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--loop"]:
        loop(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
