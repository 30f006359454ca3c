"""Does the working tree train as a commit does, bit for bit on this machine? `python tests/pins/compare.py COMMIT`.

Each training of material.TRAININGS is run by the command line of both; compared are every tensor of the checkpoints,
run id and trajectory id, and metrics.csv but for seconds. Exit status 0: equal; 1: something differs.
With `--record` what the commit trained is added to weights.json under this machine's key, and weights.npz is written
where there is none.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import material
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CPUINFO = Path("/proc/cpuinfo")
DIGESTS, ARRAYS = HERE / "weights.json", HERE / "weights.npz"


def machine() -> str:
    """What bits depend on: torch's version and instruction set, and the CPU's maker, family and model.

    The convolutions' library asks the CPU itself, so that torch's instruction set alone does not tell.
    """
    text = CPUINFO.read_text() if CPUINFO.exists() else ""
    fields = [re.search(rf"^{name}\s*: (\w+)", text, re.MULTILINE) for name in ("vendor_id", "cpu family", "model")]
    cpu = " ".join(field[1] for field in fields if field) or platform.machine()
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {cpu}"


def tensors(run: Path) -> dict[str, NDArray[Any]]:
    """Every tensor of a run's newest checkpoint and of its generator."""
    folder = run / "checkpoints"
    files = [max(folder.glob("state_*.safetensors")), max(folder.glob("generator_*.safetensors"))]
    return {f"{file.stem}/{name}": value for file in files for name, value in load_file(file).items()}


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Over names, types, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()


def rows(run: Path) -> list[dict[str, str]]:
    """metrics.csv without seconds."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "train_seconds"} for row in csv.DictReader(file)]


def ids(run: Path) -> tuple[str, str]:
    """Run id and trajectory id."""
    status = json.loads((run / "status.json").read_text())
    return status["run_id"], status["trajectory_id"]


def train(source: Path, folder: Path, name: str) -> Path:
    """Run a training with the code in `source`; gives its run directory."""
    environment = {**os.environ, "PYTHONPATH": str(source), "GANEXP_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "ganexp", *material.training(name), f"hydra.run.dir={name}"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder / name


def main(commit: str, *options: str) -> int:
    """Compare, and record where `--record` asks for it."""
    failed = False
    pinned: dict[str, dict[str, NDArray[Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit], cwd=ROOT, check=True)
        try:
            for name in material.TRAININGS:
                old = train(tree / "src", Path(scratch) / "old", name)
                new = train(ROOT / "src", Path(scratch) / "new", name)
                pinned[name] = tensors(old)
                differing = [
                    what
                    for what, equal in {
                        "weights": digest(pinned[name]) == digest(tensors(new)),
                        "metrics.csv": rows(old) == rows(new),
                        "ids": ids(old) == ids(new),
                    }.items()
                    if not equal
                ]
                failed = failed or bool(differing)
                print(f"{name}: {', '.join(differing) + ' differ' if differing else 'equal'}")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
    if "--record" in options:
        _record(pinned)
    return 1 if failed else 0


def _record(pinned: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    digests = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    digests[machine()] = {name: digest(arrays) for name, arrays in pinned.items()}
    DIGESTS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")
    if not ARRAYS.exists():
        flat = {f"{name}/{key}": value for name, arrays in pinned.items() for key, value in arrays.items()}
        np.savez_compressed(ARRAYS, **flat)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
