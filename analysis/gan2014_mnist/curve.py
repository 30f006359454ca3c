"""Parzen log-likelihoods of a run of gan2014_mnist, epoch by epoch, with and without an average of its generator.

    python analysis/gan2014_mnist/curve.py RUN_DIR

The run has kept all its checkpoints and an average (trainer.keep_checkpoints=500 trainer.ema_kimg=250). Writes
curve.csv and curve.png beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from ganexp.build import build_state
from ganexp.metrics.parzen import score
from ganexp.reopen import open_run
from ganexp.rundir import state_checkpoints
from ganexp.sampling import decode, latents

HERE = Path(__file__).parent
COUNT = 10_000
"""Generated images, as many as the paper's."""

PAPER = 225.0
EVERY = 5
"""Epochs from one point of the curve to the next."""


def main(folder: Path) -> None:
    """Table and picture."""
    job = open_run(folder, [])
    training = build_state(job)
    checkpoints = sorted(state_checkpoints(folder))
    rows = []
    for path in checkpoints:
        epoch = training.restore(path)["epoch"]
        if epoch % EVERY and epoch not in (1, 2) and path != checkpoints[-1]:
            continue
        row: dict[str, float] = {"epoch": epoch}
        for name, net in (("generator", training.generator), ("average", training.average)):
            if net is not None:
                z = latents(training.gan.latent, training.gan.latent_dim, COUNT, 0)
                images = decode(net, z, training.device).double().flatten(1)
                estimate = score((images + 1.0) / 2.0, job.dataset)
                row |= {name: round(estimate.value, 1), f"{name}_se": round(estimate.standard_error, 1)}
        print(row, flush=True)
        rows.append(row)
    table = pd.DataFrame(rows)
    table.to_csv(HERE / "curve.csv", index=False)
    draw(table)


def draw(table: pd.DataFrame) -> None:
    """curve.png: log-likelihood against epochs, and the paper's."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name in ("generator", "average"):
        if name in table:
            axes.plot(table["epoch"], table[name], marker=".", label=name)
    axes.axhline(PAPER, color="grey", linestyle="--", label="the paper's 225 ± 2")
    axes.set(xlabel="epochs of 50,000 images", ylabel="Parzen log-likelihood, nats", ylim=(0, None))
    axes.legend()
    figure.savefig(HERE / "curve.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
