"""What the cluster tests share: one small grid, its summary by joblib, and the clusters themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from small_grid import GRID, SLOW, Sweep, ended


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all sweeps of the session are made, as on a filesystem that all nodes share."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def sweep(place: Path) -> Iterator[Sweep]:
    """Start `python -m ganexp --multirun ARGUMENTS hydra.sweep.dir=NAME`."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ganexp", "--multirun", *arguments, f"hydra.sweep.dir={name}"]
        everything = {**os.environ, "GANEXP_DATA": str(place / "data"), "OMP_NUM_THREADS": "1", **(env or {})}
        options = {"cwd": place, "env": everything, "start_new_session": True, "text": True}
        with (place / f"{name}.log").open("a") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options))  # type: ignore[call-overload]
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def finished(place: Path, sweep: Sweep) -> Callable[..., pd.DataFrame]:
    """Make a sweep to its end and give its summary, seconds aside."""

    def finish(name: str, *arguments: str, **options: dict[str, str]) -> pd.DataFrame:
        return ended(place, name, sweep(name, *arguments, **options))

    return finish


@pytest.fixture(scope="session")
def by_joblib(finished: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """The summary of GRID by ganexp's own workers."""
    return finished("joblib", *GRID)


@pytest.fixture(scope="session")
def slow_by_joblib(finished: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """The summary of SLOW by ganexp's own workers, undisturbed."""
    return finished("slow-joblib", *SLOW)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A SLURM of one node."""
    if os.geteuid() != 0:
        pytest.skip("starting SLURM needs root")
    script, folder = Path(__file__).parent / "slurm_node", tmp_path_factory.mktemp("slurm")
    running = subprocess.run(["squeue", "-h"], capture_output=True).returncode == 0 if shutil.which("squeue") else False
    if not running:
        subprocess.run([script, "start", folder], check=True, timeout=300)
    yield
    if not running:
        subprocess.run([script, "stop", folder], check=True)


CLUSTER = """
import sys
import tempfile
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """Address of a cluster of two nodes with one processor each."""
    pytest.importorskip("ray")
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdin is not None
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty database of a PostgreSQL server of our own."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        if os.geteuid() != 0:
            pytest.skip("installing PostgreSQL needs root")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], check=True, env=quiet, capture_output=True)
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="postgresql"))  # short, for its socket, and not below root's own folders
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run([*user, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    run(str(programs / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "ganexp")
    run(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
    yield f"postgresql+psycopg://ganexp@127.0.0.1:{port}/postgres"
    run(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-m", "immediate", "stop")
    shutil.rmtree(folder)
