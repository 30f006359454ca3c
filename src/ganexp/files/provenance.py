"""Conditions in which numbers are made: versions, revision, machine."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ganexp", "torch", "torchvision", "numpy", "scipy", "hydra-core", "omegaconf")


@functools.cache
def versions() -> dict[str, str]:
    """Version of Python and of every package that numbers depend on."""
    numbers = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:
            continue
    return numbers


@functools.cache
def git_revision() -> str | None:
    """Commit of the checkout that ganexp runs from, with '+' where it was changed since; None outside a checkout."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def machine(device: str, threads: int) -> dict[str, Any]:
    """Conditions of bit-exactness: machine type, device, thread count, torch version."""
    import torch

    return {
        "device": device,
        "threads": threads,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "torch": str(torch.__version__),
    }


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=True
    )
    return done.stdout.strip()
