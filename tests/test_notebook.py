"""docs/notebook.ipynb in a kernel, as on Colab: runs on a mounted drive, cut off in the middle, run again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
jupyter_client = pytest.importorskip("jupyter_client")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"

COLAB = '''
"""Colab in every Python process: its package, and a drive without hard links, file locks and fsync."""
import errno, fcntl, os, sys, types

DRIVE = os.environ["DRIVE"]

def lies_on_drive(place):
    if isinstance(place, int):
        place = os.readlink(f"/proc/self/fd/{place}")
    return os.path.realpath(os.fsdecode(place)).startswith(DRIVE)

def without(module, name):
    function = getattr(module, name)
    def replaced(place, *more, **keywords):
        if lies_on_drive(place):
            raise OSError(errno.ENOSYS if name == "flock" else errno.EPERM, f"{name}: not on this drive")
        return function(place, *more, **keywords)
    setattr(module, name, replaced)

for module, name in ((os, "link"), (os, "fsync"), (fcntl, "flock")):
    without(module, name)
drive = types.SimpleNamespace(mount=lambda place: os.makedirs(place, exist_ok=True))
colab = types.ModuleType("google.colab")
colab.drive = drive
sys.modules.update({"google": types.ModuleType("google"), "google.colab": colab})
'''


@pytest.fixture
def colab(tmp_path: Path, data_root: Path) -> Iterator[dict[str, str]]:
    """The environment of a kernel on Colab whose drive is tmp_path/drive."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(COLAB)
    yield {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site"),
        "DRIVE": str(tmp_path / "drive"),
        "GANEXP_DATA": str(data_root),
        "OMP_NUM_THREADS": "1",
    }


def cells_of(drive: Path):
    """The notebook with another drive, and without the installation."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        lines = [line for line in cell.source.splitlines() if "%pip" not in line]
        cell.source = "\n".join(lines).replace("/content/drive", str(drive))
    return notebook


def test_the_notebook_is_small_and_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert NOTEBOOK.stat().st_size < 20_000


@contextmanager
def kernel(colab: dict[str, str], folder: Path):
    """A kernel and its client; killed at the end, as a runtime that is taken away."""
    manager = jupyter_client.KernelManager()
    manager.start_kernel(env=colab, cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=240)
        yield manager, client
    finally:
        manager.shutdown_kernel(now=True)
        client.stop_channels()


def wait_for_epoch(runs: Path, epoch: int) -> Path:
    """Wait until a run has finished an epoch; returns its directory."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        for path in runs.glob("*/metrics.csv"):
            if path.read_text().count("\n") > epoch:
                return path.parent
        time.sleep(0.01)
    raise TimeoutError(f"no run in {runs}")


def test_the_notebook_on_a_drive_goes_on_after_a_cut(tmp_path: Path, colab: dict[str, str]) -> None:
    notebook = cells_of(tmp_path / "drive")
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    runs = tmp_path / "drive" / "MyDrive" / "ganexp-runs"

    long = code[1].replace("trainer.epochs=20", "trainer.epochs=300")
    with kernel(colab, tmp_path) as (manager, client):
        reply = client.execute_interactive(code[0] + "\nimport ganexp", timeout=240)
        assert reply["content"]["status"] == "ok", reply["content"]
        cell = client.execute(long, stop_on_error=False)
        interrupted = wait_for_epoch(runs / "outputs", 2)
        manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=240))["parent_header"]["msg_id"] != cell:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt", reply["content"]
        status = json.loads((interrupted / "status.json").read_text())
        assert status["state"] == "INTERRUPTED" and 2 <= status["epoch"] < 300
        client.execute(long)
        wait_for_epoch(runs / "outputs", status["epoch"] + 1)
    rows = (interrupted / "metrics.csv").read_text().splitlines()[: status["epoch"]]
    assert json.loads((interrupted / "status.json").read_text())["state"] == "RUNNING"
    long_ago = time.time() - 65  # as after the minute in which a holder on another machine may still live
    os.utime(interrupted / "status.json", (long_ago, long_ago))

    next(cell for cell in notebook.cells if cell.source == code[1]).source = long
    again = nbclient.NotebookClient(notebook, timeout=400, resources={"metadata": {"path": str(tmp_path)}})
    again.execute(env=colab)
    assert [path.name for path in (runs / "outputs").iterdir()] == [interrupted.name]
    assert json.loads((interrupted / "status.json").read_text())["state"] == "COMPLETED"
    assert (interrupted / "metrics.csv").read_text().splitlines()[: len(rows)] == rows  # their times as well
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = "".join(output.data.get("text/html", "") for output in outputs if "data" in output)
    assert "data:image/png;base64," in shown and "<iframe" in shown
    assert "Did you mean 'optim.lr'?" in "".join(output.get("text", "") for output in outputs)
    assert len(list((runs / "multirun" / "digits-grid").glob("*/result.json"))) == 6
