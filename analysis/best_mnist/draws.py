"""How much of a score is the draw of the latent vectors and labels?

    GANEXP_DATA=data python analysis/best_mnist/draws.py RUN_DIR...

writes draws.csv beside this file: for each finished run the cfd of ten sets of as many images as half B of its
reference has. Draw 0 is the one that a training scores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import torch

from ganexp.config.reopen import open_run
from ganexp.metrics.cfd_fid import fit, frechet_distance
from ganexp.metrics.classifiers import classifier
from ganexp.metrics.reference import halve
from ganexp.trainer.draw import sample

DRAWS = 10


def main(runs: list[Path]) -> None:
    """The table, and means with standard deviations on the terminal."""
    table = pd.DataFrame([row for run in runs for row in rows_of(run)])
    table.round(5).to_csv(Path(__file__).parent / "draws.csv", index=False)
    print(table.groupby(["run", "seed"])[["half_a", "half_b"]].agg(["mean", "std"]).round(4).to_string())


def rows_of(run: Path) -> list[dict[str, object]]:
    """One row a draw: cfd against both halves."""
    spec = open_run(run, [])
    extractor = classifier(spec.dataset, torch.device("cpu"))
    halves = halve(spec.dataset, spec.config.metrics.num_samples)
    a, b = (fit(extractor.features(half)) for half in (halves.a, halves.b))
    rows: list[dict[str, object]] = []
    for draw in range(DRAWS):
        images = fit(extractor.features(sample(run, len(halves.b), seed=draw)))
        known = {"run": spec.identity.name, "seed": spec.config.seed, "draw": draw}
        rows.append({**known, "half_a": frechet_distance(images, a), "half_b": frechet_distance(images, b)})
    return rows


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
