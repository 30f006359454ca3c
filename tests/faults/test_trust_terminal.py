"""Every command, given a directory one of whose files is poisoned with what terminals act on: none of it is printed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attempt import attempt, warm

from ganexp.types.terminal import HIDDEN

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\u2066"
"""Sets a title, clears the screen, colours, turns the order of text around."""

COMMANDS = (
    ("status",),
    ("report",),
    ("report", "--best"),
    ("report", "--verify"),
    ("evaluate",),
    ("resume",),
    ("confirm", "--dry-run"),
    ("clean",),
)
RUN = (
    "status.json",
    "result.json",
    "metrics.csv",
    ".hydra/config.yaml",
    ".hydra/overrides.yaml",
    ".hydra/identity.json",
)
SWEEP = ("plan.json", "summary.csv", "report.html", "looks.json", ".ganexp-files.json")
FILES = [
    *(("run", name) for name in (*RUN, "checkpoints/state_evil.safetensors", ".hydra/own_code.json")),
    *(("grid", name) for name in (*SWEEP, "RUN/status.json", "RUN/result.json", "RUN/metrics.csv")),
    *(("search", name) for name in ("trials.json", "plan.json")),
]


def poisoned(value: Any) -> Any:
    """JSON with the poison behind each text, and a poisoned key in each mapping."""
    if isinstance(value, dict):
        return {**{key: poisoned(each) for key, each in value.items()}, f"x{EVIL}": 1}
    if isinstance(value, list):
        return [poisoned(each) for each in value]
    return value + EVIL if isinstance(value, str) else value


def texts(value: Any) -> Any:
    """JSON with the poison behind each text that is no name or state by which files are understood."""
    if isinstance(value, dict):
        free = ("message", "type", "error", "command", "overrides", "time", "host", "verdict", "study", "git_revision")
        return {key: poisoned(each) if key in free else texts(each) for key, each in value.items()}
    return [texts(each) for each in value] if isinstance(value, list) else value


def variants(path: Path) -> list[str]:
    """The file's text, poisoned in ways that are understood to different depths."""
    text = path.read_text(errors="replace") if path.exists() else "{}"
    raw = [EVIL, text + EVIL]
    if path.suffix == ".json":
        return [*raw, json.dumps(poisoned(json.loads(text))), json.dumps(texts(json.loads(text)))]
    if path.suffix == ".csv":
        head, _, rest = text.partition("\n")
        filled = "\n".join(f"{line},{EVIL}" for line in rest.splitlines())
        return [
            *raw,
            f"{head},x{EVIL}\n" + "\n".join(f"{line},1" for line in rest.splitlines()) + "\n",
            f"{head},x\n{filled}\n",
        ]
    if path.suffix == ".yaml":
        return [*raw, text + f'\n"x{EVIL!a}": 1\n'.replace("'", ""), text.replace("trust: []", f"trust: ['{EVIL}']")]
    return raw


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm()


@pytest.mark.parametrize(("kind", "name"), FILES, ids=[f"{kind}-{name}" for kind, name in FILES])
def test_nothing_that_a_terminal_acts_on_is_printed(
    recorded: Callable[[str], Path], tmp_path: Path, data_root: Path, kind: str, name: str
) -> None:
    folder = recorded(kind)
    runs = sorted(path.parent for path in folder.glob("*/status.json"))
    path = runs[0] / name.removeprefix("RUN/") if name.startswith("RUN/") else folder / name
    before = path.read_bytes() if path.exists() else None
    for number, text in enumerate(variants(path)):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        for module, *options in COMMANDS:
            ended = attempt(
                tmp_path / f"at-{number}-{module}{len(options)}",
                lambda module=module, options=options: call(module, str(folder), *options),
                {"GANEXP_DATA": str(data_root), "COLUMNS": "200"},
            )
            acting = {c for c in ended.told if c not in "\n\t\r" and unicodedata.category(c) in HIDDEN}
            assert not acting, (module, options, sorted(acting), ended.told[:2000])
            assert ended.status is not None, (module, options, "hangs")
    if before is None:
        path.unlink(missing_ok=True)


def call(module: str, *arguments: str) -> None:
    """A command as its own process runs it, on standard streams that are the child's own."""
    import importlib

    from ganexp.cli import start

    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    sys.argv = [f"python -m ganexp.{module}", *arguments]
    start(importlib.import_module("ganexp.report.__main__" if module == "report" else f"ganexp.{module}").main)


PROGRAM = """
import logging, sys, warnings
from ganexp.types.terminal import keep_working
keep_working()
logging.basicConfig()
evil = sys.argv[1]
print("\\x1b[31mred\\x1b[0m", evil)
logging.getLogger("elsewhere").warning("of %s", evil)
warnings.warn(evil)
try:
    raise ValueError(evil)
except ValueError:
    logging.exception("failed")
raise KeyError(evil)
"""


def test_whoever_prints_or_logs_passes_the_gate() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, EVIL], capture_output=True, check=False)
    text = (done.stdout + done.stderr).decode()
    assert not [c for c in text if c != "\n" and unicodedata.category(c) in HIDDEN], text
    assert text.count("gnp.exe") >= 5, text


def test_a_terminal_gets_colours_and_no_titles() -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, EVIL], stdout=follower, stderr=follower)
    os.close(follower)
    data = b""
    try:
        while chunk := os.read(leader, 65536):
            data += chunk
    except OSError:  # the other end is closed
        pass
    process.wait()
    assert b"\x1b[31mred\x1b[0m" in data
    assert b"\x1b]" not in data and b"\x07" not in data and "\u202e".encode() not in data and b"\xc2\x9b" not in data
