"""Parzen log-likelihoods of a run of gan2014_mnist, epoch by epoch, with and without averages of its generator.

    python analysis/gan2014_mnist/curve.py RUN_DIR

The run has kept all its checkpoints (trainer.keep_checkpoints=500) and a short average (trainer.ema_kimg=250); longer
averages are taken over that one at the ends of epochs. Writes curve.csv and curve.png beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from torch import nn

from ganexp.config.reopen import open_run
from ganexp.metrics.parzen import score
from ganexp.trainer.build import build_state
from ganexp.trainer.ema import decay, half_life, update_ema
from ganexp.trainer.sampling import sampler

HERE = Path(__file__).parent
COUNT = 10_000
"""Generated images, as many as the paper's."""

PAPER = 225.0
EVERY = 10
"""Epochs from one point of the curve to the next."""

HALF_LIVES = (10, 20, 30)
"""Of the longer averages, in epochs."""

RAMPUP = 0.4
"""No average has a half-life of more than this share of the epochs so far."""


def main(folder: Path) -> None:
    """Table and picture."""
    spec = open_run(folder, [])
    training = build_state(spec)
    assert training.average is not None, "a run with trainer.ema_kimg"
    averages = {epochs: build_state(spec).generator for epochs in HALF_LIVES}
    count = len(spec.dataset.train)
    checkpoints = sorted(spec.folder.state_checkpoints())
    rows = []
    for path in checkpoints:
        epoch = training.restore(path)["epoch"]
        for epochs, net in averages.items():
            beta = decay(count, half_life(epochs * count / 1000, RAMPUP, epoch * count))
            update_ema(net, training.average, 0.0 if path == checkpoints[0] else beta)
        if epoch % EVERY and epoch not in (1, 2, 5) and path != checkpoints[-1]:
            continue
        nets: dict[str, nn.Module] = {"generator": training.generator, "average of 5 epochs": training.average}
        nets |= {f"average of {epochs} epochs": net for epochs, net in averages.items()}
        row: dict[str, float] = {"epoch": epoch}
        for name, net in nets.items():
            draw_images = sampler(net, training.gan.latent, training.gan.latent_dim, training.device)
            images = draw_images(COUNT).double().flatten(1)
            estimate = score((images + 1.0) / 2.0, spec.dataset)
            row |= {name: round(estimate.value, 1), f"{name}, s.e.": round(estimate.standard_error, 1)}
        print(row, flush=True)
        rows.append(row)
    table = pd.DataFrame(rows)
    table.to_csv(HERE / "curve.csv", index=False)
    draw(table)


def draw(table: pd.DataFrame) -> None:
    """curve.png: log-likelihood against epochs, and the paper's."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name in table.columns:
        if name != "epoch" and not name.endswith("s.e."):
            axes.plot(table["epoch"], table[name], marker=".", label=name)
    axes.axhline(PAPER, color="grey", linestyle="--", label="the paper's 225 ± 2")
    axes.set(xlabel="epochs of 50,000 images", ylabel="Parzen log-likelihood, nats", ylim=(0, 250))
    axes.legend()
    figure.savefig(HERE / "curve.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
