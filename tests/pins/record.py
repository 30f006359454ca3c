"""Record one directory of each kind with the code of a commit: `python tests/pins/record.py COMMIT`.

It writes tests/pins/recorded.tar.xz: `run`, `interrupted` (the same run, stopped after 9 of 16 steps), `grid` and
`search`. The losses.png of runs in sweeps are left out for their size. The directories are recorded once: what a
released version wrote must stay readable, so this is run again only to add a kind.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ARCHIVE = HERE / "recorded.tar.xz"

SMALL = (
    "dataset.image_size=8",
    "dataset.num_images=64",
    "model.latent_dim=4",
    "model.generator_widths=[8]",
    "model.discriminator_width=4",
    "model.maxout_units=2",
    "optim.lr=1e-3",
    "trainer.batch_size=16",
    "trainer.d_steps=1",
    "trainer.sample_images=4",
    "trainer.threads=1",
    "trainer.keep_checkpoints=1",
    "metrics.num_samples=64",
    "hydra/launcher=basic",
)

STOP_AFTER = """
import os, signal, sys
from ganexp.trainer import loop
step = loop.train_step
def stopping(state, *rest):
    step(state, *rest)
    if state.step == 8:
        os.kill(os.getpid(), signal.SIGTERM)
loop.train_step = stopping
sys.argv[0] = "ganexp"
from ganexp.__main__ import main
main()
"""

JOBS = {
    "run": ("trainer.epochs=4", "hydra.run.dir=run"),
    "interrupted": ("trainer.epochs=4", "hydra.run.dir=interrupted"),
    "grid": ("--multirun", "trainer.epochs=1,2", "optim.lr=1e-3,1e-2,1e30", "hydra.sweep.dir=grid"),
    "search": (
        "--multirun",
        "sweep=tune",
        "model.generator_widths=[8]",
        "trainer.epochs=2",
        "hydra.sweeper.n_trials=3",
        "hydra.sweep.dir=search",
    ),
}
"""Name -> arguments besides `SMALL`."""


def main(commit: str) -> None:
    """Record everything with the code of `commit`."""
    root = HERE.parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        tree, folder = Path(scratch) / "tree", Path(scratch) / "recorded"
        folder.mkdir()
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), commit], cwd=root, check=True)
        try:
            environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "GANEXP_DATA": "data", "OMP_NUM_THREADS": "1"}
            for name, arguments in JOBS.items():
                how = ["-c", STOP_AFTER] if name == "interrupted" else ["-m", "ganexp"]
                command = [sys.executable, *how, *SMALL, *arguments]
                status = subprocess.run(command, cwd=folder, env=environment).returncode
                print(f"{name}: exit status {status}")
            sample = ["-m", "ganexp.sample", "run", "--num", "6", "--out", "run/images.npy"]
            subprocess.run([sys.executable, *sample], cwd=folder, env=environment, check=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=root, check=True)
        with tarfile.open(ARCHIVE, "w:xz") as archive:
            for name in JOBS:
                archive.add(folder / name, name, filter=_anonymous)
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size:,} bytes")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = Path(member.name)
    if path.name == "losses.png" and path.parts[0] != "run":
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main(sys.argv[1])
