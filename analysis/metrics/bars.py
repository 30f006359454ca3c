"""What is asked of a distance, as bars, computed from the cells that `faults.py` measures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from generators import STEPS
from nets import CANDIDATES, REFERENCES
from scipy.stats import spearmanr
from spoil import FAULTS, PHOTOMETRIC

INDEPENDENT = (*REFERENCES, "pixels")
TIED = 1.5  # multiples of the unspoilt value below this count as equal
FACTOR = 3.0  # two independent nets are sure of an order from this factor on

Cell = tuple[str, float]

# Pairs whose order is beyond dispute: the milder fault first. Within a kind, the mildest before the worst.
WITHIN: tuple[tuple[Cell, Cell], ...] = (
    *(((name, fault.severities[0]), (name, fault.severities[3])) for name, fault in FAULTS.items()),
    (("early generator", STEPS[0]), ("early generator", STEPS[3])),
)
ACROSS: tuple[tuple[Cell, Cell], ...] = (
    (("background", 5), ("classes dropped", 5)),
    (("background", 10), ("classes dropped", 9)),
    (("background", 25), ("classes dropped", 9)),
    (("background", 25), ("noise images", 0.3)),
    (("noise", 8), ("classes dropped", 3)),
    (("noise", 16), ("classes dropped", 9)),
    (("noise", 32), ("classes dropped", 9)),
    (("noise", 8), ("blur", 2)),
    (("checkerboard", 8), ("classes dropped", 5)),
    (("checkerboard", 8), ("grey images", 0.3)),
    (("contrast", 0.9), ("classes dropped", 5)),
    (("contrast", 0.9), ("noise images", 0.1)),
    (("contrast", 0.8), ("occluded", 12)),
    (("gamma", 0.9), ("classes dropped", 5)),
    (("salt and pepper", 0.005), ("classes dropped", 9)),
    (("noise images", 0.01), ("classes dropped", 5)),
    (("noise images", 0.01), ("grey images", 0.3)),
    (("grey images", 0.03), ("classes dropped", 9)),
    (("blur", 0.5), ("early generator", 300)),
    (("blur", 0.5), ("occluded", 12)),
    (("blur", 0.5), ("mixed", 0.5)),
    (("jpeg", 40), ("blur", 2)),
    (("jpeg", 40), ("classes dropped", 9)),
    (("jpeg", 40), ("mixed", 0.5)),
    (("rotation", 5), ("rotation", 20)),
    (("rotation", 5), ("classes dropped", 9)),
    (("warp", 0.5), ("mixed", 0.5)),
    (("warp", 0.5), ("warp", 2)),
    (("thicker", 0.25), ("early generator", 300)),
    (("mixed", 0.1), ("mixed", 0.35)),
    (("occluded", 3), ("classes dropped", 9)),
    (("occluded", 3), ("early generator", 300)),
    (("classes dropped", 1), ("grey images", 1.0)),
    (("repeated", 4), ("early generator", 300)),
    (("repeated", 4), ("classes dropped", 9)),
    (("early generator", 8000), ("grey images", 1.0)),
)


def multiples(cells: pd.DataFrame) -> pd.DataFrame:
    """x of each cell: mean over draws of distance over the unspoilt distance; a column a space."""
    table = cells.pivot_table(index=["fault", "severity", "draw"], columns="space", values="distance")
    unspoilt = table.loc["unspoilt"].droplevel("severity")
    over = table.drop(["unspoilt", "floor"]).div(unspoilt, level="draw")
    return over.groupby(level=["fault", "severity"]).mean()


def report(cells: pd.DataFrame) -> str:
    """Markdown: for each dataset every bar and every candidate's value, failed ones bold."""
    parts = []
    for name, part in cells.groupby("dataset", sort=False):
        spaces = [space for space in ("packaged", *CANDIDATES, "random", "pixels") if space in set(part["space"])]
        x = multiples(part)
        rows = {space: values(str(name), part, x, space) for space in spaces}
        head = [f"## {name}, n = {part['n'].iloc[0]}, {part['draw'].nunique()} draws", ""]
        lines = ["| " + " | ".join(["features", *next(iter(rows.values()))]) + " |"]
        lines.append("|---" * (1 + len(next(iter(rows.values())))) + "|")
        for space, row in rows.items():
            shown = [f"{value:.3g}" if good else f"**{value:.3g}**" for value, good in row.values()]
            lines.append("| " + " | ".join([space, *shown]) + " |")
        parts.append("\n".join([*head, *lines, ""]))
    return "\n".join(parts)


def values(name: str, cells: pd.DataFrame, x: pd.DataFrame, space: str) -> dict[str, tuple[float, bool]]:
    """Each bar: its value and whether it is held."""
    mine, own = x[space], cells[cells["space"] == space]
    colour = name == "cifar10"
    row: dict[str, tuple[float, bool]] = {}

    def most(label: str, value: float, limit: float) -> None:
        row[f"{label} <= {limit:g}"] = (value, value <= limit)

    def least(label: str, value: float, limit: float) -> None:
        row[f"{label} >= {limit:g}"] = (value, value >= limit)

    if name in ("mnist", "fashion_mnist"):
        most("black + 5", mine["background", 5], 2)
        most("black + 25", mine["background", 25], 30 if name == "fashion_mnist" else 15)
        most("noise 8", mine["noise", 8], 2.5)
        least("shift 2", min(mine["shift", 2], mine["jitter", 2]), 8)
        least("nine classes / black + 25", mine["classes dropped", 9] / mine["background", 25], 1)
        least("nine classes / noise 32", mine["classes dropped", 9] / mine["noise", 32], 1)
        shares = _shares(own)
        least("recall, black + 25", shares["recall"], 0.5)
        least("coverage, black + 25", shares["coverage"], 0.5)
    floor = own[own["fault"] == "floor"]["distance"].mean()
    most("unspoilt, floors", own[own["fault"] == "unspoilt"]["distance"].mean() / floor, 1.5)
    least("rank correlation", correlation(x, space), 0.85)
    row["turned pairs, %"] = (100 * turned(x, space), True)
    most("disputed", len(wrong(x, space, colour)), 0)
    return row


def _shares(own: pd.DataFrame) -> pd.Series:
    """Recall and coverage at black + 25 as shares of their floors."""
    at = own[(own["fault"] == "background") & (own["severity"] == 25)][["recall", "coverage"]].mean()
    return at / own[own["fault"] == "floor"][["recall", "coverage"]].mean()


def correlation(x: pd.DataFrame, space: str) -> float:
    """Spearman's, with the references' mean ranks, over all cells but background, contrast and noise."""
    tied = _compared(x)
    references = tied[list(INDEPENDENT)].rank().mean(axis=1)
    return float(spearmanr(tied[space], references).statistic)


def _compared(x: pd.DataFrame) -> pd.DataFrame:
    """All cells but background, contrast and noise; those under `TIED` are equal."""
    kept = x[[FAULTS[fault].group != PHOTOMETRIC if fault in FAULTS else True for fault, _ in x.index]]
    return kept.where(kept >= TIED, 1.0)


def turned(x: pd.DataFrame, space: str) -> float:
    """Of all pairs that every two independent nets order by `FACTOR` or more, the share that is the other way round."""
    logs = np.log(_compared(x))
    sure = wrong_way = 0
    nets = logs[list(REFERENCES)].to_numpy()
    mine = logs[space].to_numpy()
    for i, j in combinations(range(len(logs)), 2):
        difference = nets[i] - nets[j]
        for sign in (1, -1):
            if np.sum(sign * difference >= np.log(FACTOR)) >= 2 and np.all(sign * difference > -np.log(FACTOR)):
                sure += 1
                wrong_way += bool(sign * (mine[i] - mine[j]) < 0)
    return wrong_way / max(1, sure)


def wrong(x: pd.DataFrame, space: str, colour: bool) -> list[tuple[Cell, Cell]]:
    """Pairs beyond dispute that the space orders the other way round."""
    pairs = [pair for pair in (*WITHIN, *ACROSS) if all(cell in x.index for cell in pair)]
    return [(a, b) for a, b in pairs if x.loc[a, space] >= x.loc[b, space]]
