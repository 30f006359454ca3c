"""Which features order faults as eyes do? Candidates for cfd against references, on real images spoilt on purpose.

    GANEXP_DATA=data python analysis/metrics/faults.py --draws 3 --workers 2

trains every network of nets.py (kept in --cache), measures each fault of spoil.py in four severities on digits, MNIST,
FashionMNIST and CIFAR-10, and writes cells.csv (values) and bars.md (what bars.py asks of each candidate).
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import bars
import numpy as np
import pandas as pd
import torch
from generators import STEPS, early_samples
from nets import CANDIDATES, REFERENCES, Classifier, train
from numpy.typing import NDArray
from spoil import FAULTS, Pool
from torch import Tensor

from ganexp import dataset as datasets
from ganexp.metrics.cfd_fid import fit, frechet_distance
from ganexp.metrics.classifiers import classifier
from ganexp.metrics.precision_recall import share_inside, share_of_balls_hit, squared_radii
from ganexp.metrics.random_features import random_features
from ganexp.metrics.reference import halve
from ganexp.types import Dataset

HERE = Path(__file__).parent
NAMES = ("mnist", "fashion_mnist", "digits", "cifar10")
MOST = 5000  # images in a cell, where half B has as many

Features = Callable[[NDArray[np.uint8]], Tensor]


def main() -> None:
    """Train, spoil, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--draws", type=int, default=3, help="for what is in the package; others have one")
    parser.add_argument("--only", nargs="*", help="candidates to measure; all if left out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="networks, spoilt images, values; 7 GB")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    candidates = list(CANDIDATES if options.only is None else options.only)
    first = [("packaged", 0), *((space, 0) for space in (*REFERENCES, "pixels"))]
    later = [(space, draw) for draw in range(options.draws) for space in ("packaged", "random")]
    wanted = [*dict.fromkeys([*first, *later, *((space, 0) for space in candidates)])]
    tasks = [(name, draw, space, options.cache) for space, draw in wanted for name in options.datasets]
    with ProcessPoolExecutor(options.workers) as pool:
        trained = {*candidates, *REFERENCES}
        list(pool.map(train_all, [(name, trained, options.cache) for name in options.datasets]))
        list(pool.map(spoil_all, dict.fromkeys((name, draw, options.cache) for name, draw, *_ in tasks)))
        cells = pd.concat(pool.map(measure, tasks), ignore_index=True)
    cells.to_csv(options.out / "cells.csv", index=False, float_format="%.6g")
    text = bars.report(cells)
    (options.out / "bars.md").write_text(text)
    print(text)


def load(name: str) -> Dataset:
    """The named dataset under GANEXP_DATA."""
    data: Dataset = getattr(datasets, name)(root=Path(os.environ.get("GANEXP_DATA", "data")))
    return data


def network(name: str, data: Dataset, cache: Path) -> Classifier:
    """The trained network `name` of nets.py, from the cache if it lies there."""
    net = (CANDIDATES | REFERENCES)[name]
    assert data.train_labels is not None and data.reference_labels is not None
    path = cache / f"{data.name}_{hashlib.sha256(name.encode()).hexdigest()[:12]}.pt"
    images, labels = np.asarray(data.train), np.asarray(data.train_labels)
    if path.exists():
        torch.manual_seed(net.seed)
        model = Classifier(net, images.shape[1:], int(labels.max()) + 1)
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    model, seconds = train(net, images, labels)
    with torch.inference_mode():
        hits = [
            int((model(torch.from_numpy(part).float() / 127.5 - 1).argmax(1).numpy() == target).sum())
            for part, target in zip(
                *(np.array_split(np.asarray(a), 20) for a in (data.reference, data.reference_labels)), strict=True
            )
        ]
    size, accuracy = 2 * sum(p.numel() for p in model.parameters()) / 1000, sum(hits) / len(data.reference)
    print(f"{data.name} {name}: accuracy {accuracy:.3f}, {size:.0f} kB, {seconds:.0f} s", flush=True)
    torch.save(model.state_dict(), path)
    return model


def train_all(task: tuple[str, set[str], Path]) -> None:
    """Train the chosen networks of one dataset, and its early generators, into the cache."""
    name, chosen, cache = task
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data = load(name)
    early_samples(data.name, np.asarray(data.train), cache)
    for each in chosen & {*CANDIDATES, *REFERENCES}:
        network(each, data, cache)


def features_of(space: str, data: Dataset, cache: Path) -> Features:
    """The features of a network, of what is in the package, or of pixels."""
    if space == "pixels":
        return principal(np.asarray(data.train[:10_000]))
    if space in ("packaged", "random"):
        extractor = classifier if space == "packaged" else random_features
        return extractor(data, torch.device("cpu")).features
    return network(space, data, cache).features


def principal(images: NDArray[np.uint8], components: int = 64) -> Features:
    """The first principal components of pixels."""
    flat = torch.from_numpy(np.array(images)).flatten(1).double() / 127.5 - 1
    mean = flat.mean(dim=0)
    axes = torch.linalg.eigh((flat - mean).T @ (flat - mean)).eigenvectors[:, -components:]
    return lambda some: (torch.from_numpy(np.array(some)).flatten(1).double() / 127.5 - 1 - mean) @ axes


def spoilt(data: Dataset, draw: int, count: int, cache: Path) -> Iterator[tuple[str, float, NDArray[np.uint8]]]:
    """(fault, severity, images) of one draw."""
    assert data.train_labels is not None
    order = np.random.RandomState(1000 + draw).permutation(len(data.train))
    images, labels = np.asarray(data.train)[order], np.asarray(data.train_labels)[order]
    yield "unspoilt", 0, images[:count]
    colour = images.shape[1] == 3
    for name, fault in FAULTS.items():
        if fault.colour if colour else fault.grey:
            for severity in fault.severities:
                pool = Pool(images, labels, count, np.random.RandomState(draw), draw)
                yield name, severity, fault.spoil(pool, severity)
    samples = early_samples(data.name, images, cache)
    for steps in STEPS:
        chosen = np.random.RandomState(draw).permutation(len(samples[steps]))[:count]
        yield "early generator", steps, samples[steps][chosen]


def spoil_all(task: tuple[str, int, Path]) -> None:
    """Write the images of every cell of one draw, and of the floor, into the cache."""
    name, draw, cache = task
    path = cache / f"{name}_{draw}_cells.npz"
    if not path.exists():
        data = load(name)
        halves = halve(data, MOST)
        cells = spoilt(data, draw, len(halves.b), cache)
        np.savez(path, **{"floor|0": halves.a}, **{f"{fault}|{severity}": images for fault, severity, images in cells})


def measure(task: tuple[str, int, str, Path]) -> pd.DataFrame:
    """The distance of every fault of one draw to half B, in one space; kept in the cache."""
    name, draw, space, cache = task
    path = cache / f"{name}_{draw}_{space}.csv"
    if path.exists():
        return pd.read_csv(path)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data = load(name)
    features, halves = features_of(space, data, cache), halve(data, MOST)
    rows = []
    with torch.inference_mode(), np.load(cache / f"{name}_{draw}_cells.npz") as cells:
        real = features(halves.b).double()
        fitted, radii = fit(real), squared_radii(real, 5)
        for cell in cells.files:
            fault, _, severity = cell.partition("|")
            values = features(cells[cell]).double()
            row = {"dataset": name, "draw": draw, "n": len(real), "fault": fault, "severity": float(severity)}
            row |= {"space": space, "distance": frechet_distance(fit(values), fitted)}
            if fault in ("floor", "unspoilt") or (fault, float(severity)) == ("background", 25):
                row["recall"] = share_inside(real, values, squared_radii(values, 3))
                row["coverage"] = share_of_balls_hit(values, real, radii)
            rows.append(row)
    print(f"{name}, draw {draw}, {space}: measured", flush=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
