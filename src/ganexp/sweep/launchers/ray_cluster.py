"""The launcher on a Ray cluster: each run is a task that Ray places, and never repeats on its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_ray_launcher.ray_launcher import RayLauncher
from omegaconf import OmegaConf, open_dict

from ganexp.config.hydra_private import JobReturn, Singleton, configure_log, run_ray_job, setup_globals, start_ray
from ganexp.sweep.launchers.launcher import as_return, collected, cores
from ganexp.sweep.launchers.workers import LATER_SECONDS, Feed, WorkerDied

PASSED_ON = ("GANEXP_DATA", "GANEXP_WRITABLE")
"""Variables that a task takes from the launcher's environment."""


class RayStream(RayLauncher):  # type: ignore[misc]
    """`hydra/launcher=ray`: as Hydra's own, but a task whose process dies is told of and not repeated.

    Ray would run it again in the same directory up to three times; here the sweep does, from the run's checkpoint.
    Workers see the launcher's directories: a filesystem that all nodes share.

    Args:
        ray: `init` and `remote`, the arguments of `ray.init` and `ray.remote` (num_cpus, num_gpus, ...).

    Attributes:
        on_done: called with the index of a job in its batch, and what became of it, as soon as it ends.
        relaunches: a run whose process is lost goes on in another task, from its checkpoint.
    """

    relaunches = True

    def __init__(self, ray: Any) -> None:
        super().__init__(ray)
        self.on_done: Callable[[int, JobReturn], None] | None = None

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs of one batch; Ray decides how many of them at once."""
        return collected(self, job_overrides, initial_job_idx)

    def stream(self, jobs: Iterator[Any], most: int, first: int = 0) -> Generator[tuple[int, JobReturn], None, None]:
        """Run jobs, `most` of them handed to Ray at once; the next one is asked for when one has ended.

        As `ganexp.sweep.launchers.launcher.WorkersLauncher.stream`.
        """
        import ray

        remote = self._connect()
        running: dict[Any, int] = {}
        given: list[Sequence[str]] = []
        feed = Feed(jobs)
        try:
            while True:
                for overrides in feed.while_room(lambda: len(running) < most):
                    given.append(list(overrides))
                    running[self._submit(remote, first + len(given) - 1, given[-1])] = len(given) - 1
                if feed.ended and not running:
                    return
                ended, _ = ray.wait(list(running), num_returns=1, timeout=LATER_SECONDS) if running else ([], [])
                for task in ended:
                    number = running.pop(task)
                    yield number, as_return(_result(task), given[number])
        finally:
            for task in running:
                ray.cancel(task)

    def at_once(self) -> int:
        """How many runs the cluster has processors for."""
        import ray

        self._connect()
        each = float(self.ray_cfg.remote.get("num_cpus") or 1)
        there: Any = ray.cluster_resources()
        return max(1, int(there.get("CPU", cores()) / each))

    def _connect(self) -> Any:
        """Ray's handle of what a task does."""
        import ray

        assert self.config is not None and self.hydra_context is not None
        setup_globals()
        configure_log(
            self.config.hydra.hydra_logging,
            self.config.hydra.verbose,
            execution_whitelist=self.hydra_context.execution_whitelist,
        )
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        start_ray(OmegaConf.create(OmegaConf.to_container(self.ray_cfg.init, resolve=True)))
        asked: Any = OmegaConf.to_container(self.ray_cfg.remote, resolve=True)
        return ray.remote(**{"num_cpus": 1, **asked, "max_retries": 0})(_run_there)

    def _submit(self, remote: Any, number: int, overrides: Sequence[str]) -> Any:
        assert self.config is not None and self.hydra_context is not None
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = f"job_id_for_{number}", number
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        place = str(Path.cwd())
        return remote.remote(place, passed, self.hydra_context, config, self.task_function, Singleton.get_state())


def _run_there(place: str, variables: Mapping[str, str], *job: Any) -> JobReturn:
    """On a node: one run, where the launcher was started."""
    os.chdir(place)
    os.environ.update(variables)
    done: JobReturn = run_ray_job(*job)
    return done


def _result(task: Any) -> Any:
    """What a task returned, or a `WorkerDied` where its process or its node is gone."""
    import ray

    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        return error
    except ray.exceptions.RayError as error:
        return WorkerDied(f"{type(error).__name__}: {str(error).splitlines()[0]}")
