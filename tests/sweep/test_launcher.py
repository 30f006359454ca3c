from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from ganexp.sweep.launchers import launcher
from ganexp.sweep.launchers.launcher import WorkersLauncher, visible_gpus
from ganexp.types.errors import ConfigError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Eight cores and no GPU."""
    monkeypatch.setattr(launcher, "cores", lambda: 8)
    monkeypatch.setattr(launcher, "visible_gpus", lambda device: [])
    return monkeypatch


def crew(jobs: int = 100, *, threads: int | None = None, device: str = "auto", **keys: int) -> list[dict[str, str]]:
    made = WorkersLauncher(**keys)
    made.config = OmegaConf.create({"trainer": {"threads": threads, "device": device}})
    return made.environments(jobs)


def test_one_single_threaded_worker_for_each_core(machine: pytest.MonkeyPatch) -> None:
    environments = crew()
    assert len(environments) == 8
    assert all(environment["OMP_NUM_THREADS"] == "1" for environment in environments)
    assert "CUDA_VISIBLE_DEVICES" not in environments[0]


@pytest.mark.parametrize(("threads", "workers"), [(2, 4), (3, 2), (8, 1), (20, 1)])
def test_workers_times_threads_are_the_cores(machine: pytest.MonkeyPatch, threads: int, workers: int) -> None:
    environments = crew(threads=threads)
    assert [environment["OMP_NUM_THREADS"] for environment in environments] == [str(threads)] * workers


def test_no_more_workers_than_jobs_and_as_many_as_asked(machine: pytest.MonkeyPatch) -> None:
    assert len(crew(3)) == 3
    assert len(crew(n_jobs=5)) == 5
    assert len(crew(n_jobs=3, inner_max_num_threads=2)) == 3


def test_one_worker_for_each_gpu(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(launcher, "visible_gpus", lambda device: ["2", "5"])
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in crew()] == ["2", "5"]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in crew(n_jobs=3)] == ["2", "5", "2"]


def test_several_workers_for_each_gpu(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(launcher, "visible_gpus", lambda device: ["2", "5"])
    gpus = lambda *jobs, **keys: [each["CUDA_VISIBLE_DEVICES"] for each in crew(*jobs, **keys)]  # noqa: E731
    assert gpus(jobs_per_gpu=3) == ["2", "5"] * 3
    assert gpus(3, jobs_per_gpu=4) == ["2", "5", "2"], "no more than jobs, spread over the GPUs"
    assert gpus(jobs_per_gpu=4, n_jobs=1) == ["2"]
    machine.setattr(launcher, "visible_gpus", lambda device: [])
    assert len(crew(jobs_per_gpu=4)) == 8, "without a GPU, the cores"
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.jobs_per_gpu: expected at least 1, got 0"):
        crew(jobs_per_gpu=0)


@pytest.mark.parametrize(("share", "crew_size"), [(None, 4), (1, 1), (3, 3), (100, 6)])
def test_runs_packed_on_an_allocation_share_its_gpu(
    machine: pytest.MonkeyPatch, tmp_path: Path, share: int | None, crew_size: int
) -> None:
    slurm = pytest.importorskip("ganexp.sweep.launchers.slurm")
    machine.setattr(slurm, "cores", lambda: 4)
    machine.setenv("SLURM_CPUS_PER_TASK", "4")
    for module in (slurm, launcher):
        machine.setattr(module, "visible_gpus", lambda device: ["0"])
    made: list[list[dict[str, str]]] = []

    class Crew:
        def __init__(self, _: object, environments: list[dict[str, str]]) -> None:
            made.append(environments)

        def run(self, jobs: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, str]]:
            yield from ((number, "done") for number, _ in jobs)

    machine.setattr(slurm, "Workers", Crew)
    machine.setattr(slurm, "setup_globals", lambda: None)
    machine.setattr(slurm.Singleton, "set_state", lambda state: None)
    config = OmegaConf.create({"trainer": {"threads": None, "device": "auto"}})
    call = SimpleNamespace(launcher=SimpleNamespace(threads=1, config=config, jobs_per_gpu=share), singletons=None)
    machine.setattr("submitit.core.utils.pickle_load", lambda path: call)
    slurm.Allocation(tmp_path, [(number, []) for number in range(6)])()
    assert [each["CUDA_VISIBLE_DEVICES"] for each in made[0]] == ["0"] * crew_size


@pytest.mark.parametrize(
    ("device", "visible", "found"),
    [
        ("auto", None, ["0", "1"]),
        ("cuda", "GPU-a, GPU-b", ["GPU-a", "GPU-b"]),
        ("cpu", None, []),
        ("cuda:1", None, []),
    ],
)
def test_gpus_to_share_out(monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, found: list[str]) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus(device) == found


def test_joblib_keys_without_a_meaning_here_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.backend: expected 'loky'.*got 'multiprocessing'"):
        WorkersLauncher(backend="multiprocessing")
    with pytest.raises(ConfigError, match=r"n_jobs: expected -1 .* got 0"):
        WorkersLauncher(n_jobs=0)
