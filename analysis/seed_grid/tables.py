"""The tables of README.md: `python analysis/seed_grid/tables.py SWEEP_DIR`, of `sweep=seed_grid` with one seed.

Each training of 100 epochs holds the settings of 20 and 50 epochs of its batch size and learning rate. Printed are, for
each training and epoch, columns of its metrics.csv; then what the trainings took.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

import ganexp

EPOCHS = (1, 2, 5, 10, 20, 50, 100)
COLUMNS = {
    "cfd": "cfd, reference half B",
    "recall": "recall",
    "precision": "precision",
    "d_heldout": "mean D of 512 images held out",
    "d_generated": "mean D of as many generated images",
    "d_near_half": "share of images whose D lies within 0.1 of 0.5",
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sweep", type=Path)
    sweep = parser.parse_args().sweep
    summary = ganexp.load_summary(sweep)
    longest = summary[(summary["epochs"] == summary["epochs"].max()) & (summary["state"] == "COMPLETED")]
    trainings = {
        (int(run["batch_size"]), float(run["lr"])): pd.read_csv(sweep / run["run_dir"] / "metrics.csv")
        for _, run in longest.iterrows()
    }
    ordered = sorted(trainings.items(), key=lambda each: (-each[0][1], each[0][0]))
    for column, title in COLUMNS.items():
        print(f"\n**{title}**\n")
        print(f"| batch, learning rate | {' | '.join(f'epoch {epoch}' for epoch in EPOCHS)} |")
        print(f"|---|{'---|' * len(EPOCHS)}")
        for (batch, rate), rows in ordered:
            values = rows.set_index("epoch")[column].reindex(list(EPOCHS))
            print(f"| {batch}, {rate:g} | {' | '.join('' if pd.isna(value) else f'{value:.3g}' for value in values)} |")
    print("\n**best epoch by cfd, and seconds of training**\n")
    for (batch, rate), rows in ordered:
        best = rows.loc[rows["cfd"].idxmin()]
        seconds = float(rows["train_seconds"].iloc[-1])
        print(f"- {batch}, {rate:g}: {best['cfd']:.1f} at epoch {int(best['epoch'])}; {seconds:.0f} s")


if __name__ == "__main__":
    main()
