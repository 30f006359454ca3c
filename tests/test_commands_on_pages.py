"""Every command that README and docs show is given, cut to a few steps, and does what the page says of it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ganexp.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.fr.md", *sorted((ROOT / "docs").glob("*.md"))]

ELSEWHERE = {
    "make": "`make run` and `make test` are what CI starts with",
    "git clone": "the checkout at hand",
    "python3 -m venv": "no environment of its own is made here",
    "python -m venv": "no environment of its own is made here",
    "source": "a shell's word",
    "module load": "a cluster's word",
    "cd": "a shell's word",
    "export": "a shell's word",
    "tmux": "a terminal that stays",
    "tail -f": "never ends",
    "rsync": "from another machine",
    "squeue": "tests/cluster",
    "scancel": "tests/cluster",
    "cat multirun": "tests/cluster",
    "nohup": "a shell's word; what follows it is on the page alone",
    "ganexp dashboard": "tests/report: a browser looks at it",
    "ganexp resume RUN_DIR": "tests/faults/test_kill.py kills and resumes",
}
"""Commands, by their first words, that are tried elsewhere or are no commands of ganexp, with the reason."""
CLUSTER = ("hydra/launcher=slurm", "hydra/launcher=lab", "hydra/launcher=ray_cluster", "STUDY_URL")  # tests/cluster

LARGEST_BATCH = "dataset.num_images=128"  # that a search may draw
CUT = (
    *("dataset.num_images=64", "trainer.max_steps=2", "trainer.threads=1", "trainer.sample_images=4"),
    "metrics.num_samples=100",
)


def width(picture: Path) -> int:
    """Of a picture, in pixels."""
    with Image.open(picture) as opened:
        return opened.size[0]


CHECKS = {
    "--num 10000 --out x.npy": lambda folder, _: np.load(folder / "x.npy", mmap_mode="r").shape == (10000, 1, 28, 28),
    "--out z.png": lambda folder, _: width(folder / "z.png") > 28,
    "threes.png": lambda folder, _: width(folder / "threes.png") > 28,
    "dry_run=true": lambda _, text: "Nothing was started." in text and "disk: about" in text,
    "--verify": lambda _, text: "every number is what the runs' files say" in text,
    "--best": lambda _, text: "ganexp" in text and "optim.lr=" in text,
    "ganexp status": lambda _, text: "COMPLETED" in text or "completed" in text,
    "ganexp compare": lambda folder, _: any(folder.glob("*-verdict/report.html")),
    "ganexp report": lambda folder, _: any(folder.glob("**/report.html")),
    "--metrics full --json": lambda _, text: '"cfd"' in text,
}
"""What a page says of the commands with these words: whether it holds, of the folder and what was printed."""


def shown(page: Path) -> list[str]:
    """The commands of a page: lines of consoles, indented lines and table cells, without their comments."""
    text = re.sub(r" *\\\n\s*", " ", page.read_text())
    lines = re.findall(r"^(?:    )?\$ (.+)$", text, re.MULTILINE)
    lines += re.findall(r"^    ((?:python -m )?ganexp[ .].+|nohup .+)$", text, re.MULTILINE)
    lines += re.findall(r"^\| `(ganexp [^`]+)` \|", text, re.MULTILINE)
    plain = (re.sub(r"\s+#.*| \[[^\]]*\]", "", line).strip() for line in lines)
    return [re.sub(r"^python -m ganexp\b[ .]?", "ganexp ", line).strip() for line in plain]


def tried(page: Path) -> list[str]:
    """Those of them that are given here, each on the first page that shows it."""
    before = {line for earlier in PAGES[: PAGES.index(page)] for line in shown(earlier)}
    lines = dict.fromkeys(line for line in shown(page) if line not in before)
    return [
        line for line in lines if not line.startswith(tuple(ELSEWHERE)) and not any(word in line for word in CLUSTER)
    ]


def test_every_command_is_tried_or_has_a_reason_not_to_be() -> None:
    lines = [line for page in PAGES for line in shown(page)]
    assert len(lines) > 60
    for line in lines:
        assert line.split()[0] == "ganexp" or line.startswith(tuple(ELSEWHERE)), line
    for words in ELSEWHERE:
        assert any(line.startswith(words) for line in lines), f"no page says {words} any more"


def prepare(home: Path) -> None:
    """MNIST and its likes with the digits in the place of their images, and what commands are given as arguments."""
    digits = load_digits()
    for name, shape in (("mnist", (28, 28, 1)), ("fashion_mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))):
        folder = home / "data" / "prepared" / name
        folder.mkdir(parents=True)
        pictures = [Image.fromarray((each * 15).astype(np.uint8)).resize(shape[:2]) for each in digits.images[:500]]
        images = np.stack([np.repeat(np.asarray(each)[None], shape[2], axis=0) for each in pictures])
        for split, part in (("train", slice(0, 300)), ("test", slice(300, 500))):
            np.save(folder / f"{split}_images.npy", images[part])
            np.save(folder / f"{split}_labels.npy", digits.target[:500][part].astype(np.int64))
    grey, colours = images[:, :1, 2:30, 2:30], images
    for name, array in (("faces", colours), ("x", colours), ("y", digits.target[:500]), ("samples", grey)):
        np.save(home / f"{name}.npy", array)
    labels = digits.target[:500]
    held = {"test_images": colours[:50].transpose(0, 2, 3, 1), "test_labels": labels[:50, None]}
    np.savez(home / "pathmnist.npz", train_images=colours.transpose(0, 2, 3, 1), train_labels=labels[:, None], **held)
    np.savez(home / "kmnist-train-imgs.npz", grey[:, 0])
    np.savez(home / "kmnist-train-labels.npz", labels)
    for folder, ending in (("pictures", "png"), ("IMAGES", "png"), ("photos", "jpg")):
        (home / folder).mkdir()
        for number, image in enumerate(grey[:120]):
            Image.fromarray(image[0]).save(home / folder / f"{number}.{ending}")
    rows = [f"{seed},{lr},64,{lr * 1000 + seed}" for lr in (1e-3, 1e-2) for seed in range(3)]
    for name in ("results.csv", "TABLE.csv"):
        (home / name).write_text("\n".join(["seed,lr,batch,fid", *rows]) + "\n")


def write_own_parts(home: Path) -> None:
    """The files that the pages have their readers write: blocks that begin with their path."""
    for page in (ROOT / "docs" / "own_parts.md", ROOT / "docs" / "datasets.md"):
        for path, text in re.findall(r"^```\w+\n# (\S+\.(?:py|yaml))\n(.*?)^```", page.read_text(), re.M | re.S):
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text(text)


class Reader:
    """Someone at a prompt, in a folder with everything that the pages speak of."""

    def __init__(self, home: Path, ganexp: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.home, self._ganexp = home, ganexp
        prepare(home)
        write_own_parts(home)

    def give(self, words: list[str]) -> str:
        """Run `ganexp WORDS` to its end; what it printed."""
        done = self._ganexp(*words, env={"GANEXP_DATA": str(self.home / "data"), "COLUMNS": "80"})
        assert done.returncode == 0, f"ganexp {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def directories(self) -> dict[str, str]:
        """What RUN_DIR and SWEEP_DIR stand for: a finished run and a sweep of two settings with three seeds."""
        if not (self.home / "run").exists():
            self.give(["model.conditional=true", *CUT, "hydra.run.dir=run"])
            sweep = ["--multirun", "optim.lr=1e-3,1e-4", "seed=0,1,2", "hydra.sweep.dir=sweep"]
            self.give([*sweep, *(word for word in CUT if "max_steps" not in word), "trainer.epochs=1"])
            shutil.copy(self.home / "sweep" / "report.html", self.home)
        return {"RUN_DIR": "run", "SWEEP_DIR": "sweep", "DIR": "run"}


def cut(words: list[str], reader: Reader) -> list[str]:
    """The command with its places filled in, as short as it can be."""
    if words and words[0] in COMMANDS:
        places = reader.directories()
        if "cifar10" in words:
            np.save(reader.home / "samples.npy", np.load(reader.home / "x.npy") / 127.5 - 1)
        if words[0] == "sample":
            (reader.home / words[words.index("--out") + 1]).unlink(missing_ok=True)  # what prepare() put there
        for word in words:
            if word.startswith(("multirun/", "downloads/")) and not (reader.home / word).exists():
                source = reader.home / ("run" if "mlp" in word else "sweep")
                (reader.home / word).parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-r", source, reader.home / word], check=True)
        return [places.get(word, word.replace("/tmp/", "tmp-")) for word in words]
    words = [word for word in words if not word.startswith("trainer.epochs=100")]
    if any("warm_start" in word for word in words):
        reader.give(["--multirun", "dataset=mnist", "optim.lr=1e-3,1e-4", *CUT])
    if any("tune" in word or "optuna" in word for word in words):  # each study in a directory of its own
        words += ["hydra.sweeper.n_trials=2", f"hydra.sweep.dir=study-{len(list(reader.home.glob('study-*')))}"]
        words += [LARGEST_BATCH]
    unfit = {"dataset=discs": "dataset.num_images", "hydra.sweeper.eta=3": "trainer.max_steps"}
    unfit[LARGEST_BATCH] = "dataset.num_images"
    left_out = tuple(key for word, key in unfit.items() if word in words)
    return [*words, *(word for word in CUT if not word.startswith(left_out))]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if tried(page)], ids=lambda page: page.name)
def test_commands_of_a_page(
    page: Path, tmp_path: Path, ganexp: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    reader = Reader(tmp_path, ganexp)
    for line in tried(page):
        text = reader.give(cut(shlex.split(line)[1:], reader))
        for words, holds in CHECKS.items():
            assert words not in line or holds(tmp_path, text), f"{line}\n{text}"
