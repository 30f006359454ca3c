"""Files that would fill the memory, never end, or hold something else than expected: refused, or left aside."""

from __future__ import annotations

import contextlib
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rounds import ROUNDS
from strangers import canary, command, edit, every_command, honest, only, sweep

from ganexp.config.recorded import configuration
from ganexp.files import checkpoint, plan
from ganexp.files.checkpoint import CorruptCheckpointError
from ganexp.files.record import read_metrics, read_result
from ganexp.files.run_folder import RunFolder
from ganexp.report.search import pareto
from ganexp.types.errors import Refused

__all__ = ["canary", "honest", "only", "sweep"]

HUGE = 10 * 2**30

FILES = (
    "status.json",
    "result.json",
    "metrics.csv",
    ".hydra/config.yaml",
    ".hydra/identity.json",
    "../plan.json",
    "../trials.json",
    "../report.html",
    "../summary.csv",
    "checkpoints/generator_0001.safetensors",
)


def sparse(path: Path) -> None:
    """Ten gigabytes that take no room on the disk."""
    with path.open("wb") as file:
        file.truncate(HUGE)


def pipe(path: Path) -> None:
    """A pipe that nobody writes to: who reads it waits for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def endless(path: Path) -> None:
    """A device that never ends, by a link."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def deep(path: Path) -> None:
    """Half a megabyte of brackets."""
    path.write_text("[" * 500_000)


def deep_lists(path: Path) -> None:
    """The same in YAML's other way of writing."""
    path.write_text("- " * 250_000)


KINDS: dict[str, Callable[[Path], None]] = {
    "sparse": sparse,
    "pipe": pipe,
    "endless": endless,
    "deep": deep,
    "deep lists": deep_lists,
}

READERS: dict[str, tuple[str, ...]] = {
    "../plan.json": ("status", "clean", "confirm"),
    "../trials.json": ("report",),
    "../report.html": ("report --verify",),
    "../summary.csv": ("report --verify",),
    ".hydra/config.yaml": ("sample", "resume"),
    ".hydra/identity.json": ("resume",),
    "checkpoints/generator_0001.safetensors": ("sample", "clean"),
    "status.json": ("status", "resume"),
}
"""File -> the commands that read it; for others `status` and `report`."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_fills_the_memory_or_hangs_a_command(sweep: Path, only: Path, tmp_path: Path, kind: str) -> None:
    names = every_command(sweep, tmp_path)
    for name in FILES:
        path = Path(os.path.normpath(only / name))
        before = path.read_bytes() if path.exists() else None
        KINDS[kind](path)
        for each in READERS.get(name, ("report",)):
            module, *arguments = names[each]
            done = command(str(module), *arguments, cwd=tmp_path)
            assert done.status in (0, 1, 2), (name, each, done.output[-2000:])
            assert "out of memory" not in done.output, (name, each, done.output[-2000:])
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)


TEN = "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
BOMBS = {
    "aliases": "a0: &a0 " + TEN + "".join(f"\na{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(10)),
    "lists": f"a0: {TEN}" + "".join(f"\na{n + 1}: [{', '.join([f'${{a{n}}}'] * 10)}]" for n in range(10)),
    "texts": "a0: xxxxxxxxxx" + "".join(f"\na{n + 1}: '{f'${{a{n}}}' * 10}'" for n in range(10)),
    "beside": "a0: xxxxxxxxxx" + "".join(f"\na{n + 1}: '{f'${{.a{n}}}' * 10}'" for n in range(10)),
    "mappings": "b: {a0: {x: 1, y: 1}"
    + "".join(f", a{n + 1}: {{x: '${{b.a{n}}}', y: '${{..a{n}}}'}}" for n in range(40))
    + "}",
    "one mapping": "a: {b: ['${a}', '${a}']}",
    "many": "a: [" + ", ".join(["'${b}'"] * 2000) + "]\nb: 1",
    "copies": "b: [" + "1, " * 5000 + "1]\na: [" + ", ".join(["'${b}'"] * 900) + "]",
    "nested": "a: ${b.${c}}\nb: {x: 1}\nc: x",
    "circle": "a: '${b}'\nb: '${a}'",
    "chain": "\n".join(f"a{n}: '${{a{n + 1}}}'" for n in range(900)) + "\na900: 1",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_configuration_cannot_multiply(only: Path, tmp_path: Path, name: str) -> None:
    path = only / ".hydra" / "config.yaml"
    path.write_text(f"{path.read_text()}\n{BOMBS[name]}\n")
    for module, more in (("ganexp.sample", ("--out", tmp_path / "x.png")), ("ganexp.resume", ())):
        done = command(module, only, *more, cwd=tmp_path)
        assert done.status == 2, done.output[-2000:]
        assert name != "aliases" or "without aliases" in done.output, "refused before they are spread out"


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: ${a}\nc: ${b}",
        "a: {x: 1, y: 2}\nb: ${a}",
        "a: 1\nb: x-${a}-${c.d}\nc: {d: 2}",
        "c: {d: 2, e: '${.d}'}",
        "a: {root: '${oc.env:GANEXP_DATA,data}'}",
        "a: [1, 2]\nb: {c: '${a}', d: '${a[0]}'}",
    ],
)
def test_what_people_write_is_read(text: str) -> None:
    assert configuration(text, Path("config.yaml"), ()) is not None


def header(content: bytes, length: int | None = None) -> bytes:
    """The beginning of a safetensors file."""
    return struct.pack("<Q", len(content) if length is None else length) + content


@pytest.mark.parametrize(
    "content",
    [
        header(b"{}", 2**60),
        header(b"", 10**8),
        header(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'),
        header(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}') + b"\0" * 4,
        header(b'{"__metadata__":{"format":"1"}}'),
        header(b"[" * 100_000),
        header(b'{"__metadata__":' + b'{"a":"' + b"x" * 5_000_000 + b'"}}'),
        b"",
    ],
)
def test_a_hostile_header_of_a_checkpoint_is_refused(only: Path, tmp_path: Path, content: bytes) -> None:
    for path in (only / "checkpoints").iterdir():
        path.write_bytes(content)
    done = command("ganexp.sample", only, "--out", tmp_path / "x.png", cwd=tmp_path)
    assert done.status == 2 and "expected a generator" in done.output


METAS: tuple[dict[str, Any], ...] = (
    {"image_shape": [10**6, 10**6, 10**6]},
    {"image_shape": [1, 28]},
    {"image_shape": "abc"},
    {"label_counts": [1] * 100_000},
    {"label_counts": [-1]},
    {"history": [{"=cmd|x!A0": 1.0}]},
    {"history": [{"d_loss": "text"}]},
    {"history": "abc"},
    {"epoch": -1},
    {"epoch": "1"},
    {"step": 10**400},
    {"scalars": []},
)


@pytest.mark.parametrize("number", range(len(METAS)))
def test_the_metadata_of_a_checkpoint_are_checked(tmp_path: Path, number: int) -> None:
    checkpoint.save(tmp_path / "x.safetensors", {"a": torch.zeros(2)}, METAS[number])
    with pytest.raises(CorruptCheckpointError, match="not a readable checkpoint"):
        checkpoint.load(tmp_path / "x.safetensors")


def test_a_checkpoint_of_other_networks_changes_nothing(only: Path, tmp_path: Path) -> None:
    for path in (only / "checkpoints").glob("state_*"):
        tensors, meta = checkpoint.load(path)
        checkpoint.save(path, {name: torch.zeros(3) for name in tensors}, meta)
    for path in (only / "checkpoints").glob("generator_*"):
        path.unlink()
    edit(only / "status.json", "COMPLETED", "INTERRUPTED")
    done = command("ganexp.resume", only, cwd=tmp_path)
    assert done.status == 0 and "not of this training" in done.output, done.output


def test_the_pareto_front_of_many_trials_takes_little_memory() -> None:
    values = np.random.default_rng(0).normal(size=(5_000, 2))
    assert 0 < pareto(values, ["minimize", "minimize"]).sum() < 200


WILD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 1e308, -1e308, 10**400, "", "text", "\x1b[2J", "../x", [], {}, [[]], {"": None}),
    *([None], ["a"], {"a": {"b": []}}, "x" * 10_000, [1] * 10_000, "NaN", "\ud800", "<script>", {"=1+1": 1}),
)


def spoiled(value: Any, chance: random.Random) -> Any:
    """A copy of a JSON value with something wild somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice([*value])
        return {**value, key: spoiled(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return [spoiled(each, chance) if n == place else each for n, each in enumerate(value)]
    return chance.choice(WILD)


@pytest.mark.parametrize("seed", range(6 * ROUNDS))
def test_whatever_the_files_hold_no_command_breaks(sweep: Path, only: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = every_command(sweep, tmp_path)
    files = [only / "status.json", only / "result.json", only / ".hydra" / "identity.json", sweep / "plan.json"]
    whole = {path: path.read_text() for path in files}
    for path in files:
        path.write_text(json.dumps(spoiled(json.loads(whole[path]), chance)))
        reads_record = path.name in ("identity.json", "result.json")
        for name in ("status", "report", *(("resume",) if reads_record else ("clean",))):
            module, *arguments = names[name]
            done = command(str(module), *arguments, cwd=tmp_path)
            assert done.status in (0, 1, 2), (path.name, name, path.read_text()[:3000], done.output[-3000:])
        path.write_text(whole[path])


def test_readers_give_what_they_promise_or_nothing(sweep: Path, only: Path) -> None:
    chance = random.Random(0)
    files = [only / "status.json", only / "result.json", sweep / "plan.json"]
    whole = {path: json.loads(path.read_text()) for path in files}
    known = 0
    for _ in range(500 * ROUNDS):
        for path, value in whole.items():
            path.write_text(json.dumps(spoiled(value, chance)))
        status, result = RunFolder(only).current(), read_result(only / "result.json")
        if status is not None:
            known += 1
            assert 0 <= status.epoch < 2**53 and isinstance(status.run_id, str)
            assert all(isinstance(value, str) for value in (status.error or {}).values())
        if result is not None:
            known += 1
            assert all(value is None or abs(value) < 1e300 for value in result["final"].values())
        try:
            planned = plan.read(sweep)
        except Refused:
            continue
        assert planned is not None and all((sweep / r.run_dir).parent == sweep for r in planned.runs.values())
        known += 1
    assert known > 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "epoch\n1\n",
        "=cmd,b\n1,2\n",
        "epoch,epoch\n1,2\n",
        "a" * 300 + "\n1\n",
        "epoch,step\n1\n",
        "epoch\n1,2,3\n",
        "epoch\nx\n",
        "epoch\n" + "9" * 5000 + "\n",
        '"' * 200_001,
        "\0\n\0\n",
    ],
)
def test_only_a_table_of_numbers_is_a_metrics_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with contextlib.suppress(ValueError):
        assert read_metrics(tmp_path / "metrics.csv") == []
