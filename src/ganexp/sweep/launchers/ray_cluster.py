"""The launcher on a Ray cluster: each run is a task that Ray places, and never repeats on its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_ray_launcher.ray_launcher import RayLauncher
from omegaconf import OmegaConf, open_dict

from ganexp.config.hydra_private import JobReturn, Singleton, run_ray_job, start_ray
from ganexp.sweep.launchers.launcher import Answers, Streaming, as_return
from ganexp.sweep.launchers.workers import GRACE_SECONDS, LATER_SECONDS, Feed, WorkerDied
from ganexp.trainer.signals import restore, stop_signals
from ganexp.types.system import cores

CANCEL_SECONDS = 10.0  # after which a task that goes on is cancelled again; saving takes less

PASSED_ON = ("GANEXP_DATA", "GANEXP_WRITABLE")  # variables that a task takes from the launcher's environment


class RayStream(Streaming, RayLauncher):  # type: ignore[misc]
    """`hydra/launcher=ray`: as Hydra's own, but a task whose process dies is a failure, and not repeated.

    Ray would repeat it in the same directory up to three times; here the sweep does, from the run's checkpoint. Workers
    see the launcher's directories: a file system that all nodes share. `ray` holds `init` and `remote`, the arguments
    of `ray.init` and `ray.remote` (num_cpus, num_gpus, ...).
    """

    tries = 3

    def stream(self, jobs: Iterator[Any], most: int, first: int = 0) -> Answers:
        """Run jobs, `most` of them handed to Ray at once; see `Streaming`. Ray decides how many of them run."""
        import ray

        remote = self._connect()
        running: dict[Any, int] = {}
        submitted: list[Sequence[str]] = []
        feed = Feed(jobs)
        try:
            while True:
                for overrides in feed.while_room(lambda: len(running) < most):
                    submitted.append(list(overrides))
                    running[self._submit(remote, first + len(submitted) - 1, submitted[-1])] = len(submitted) - 1
                if feed.ended and not running:
                    return
                ended, _ = ray.wait(list(running), num_returns=1, timeout=LATER_SECONDS) if running else ([], [])
                for task in ended:
                    number = running.pop(task)
                    yield number, as_return(_result(task), submitted[number])
        finally:
            left, until = list(running), time.monotonic() + GRACE_SECONDS
            while left and time.monotonic() < until:
                for task in left:
                    ray.cancel(task)  # again, as one that comes while a worker imports its libraries may be lost
                _, left = ray.wait(left, num_returns=len(left), timeout=CANCEL_SECONDS)

    def at_once(self) -> int:
        """How many runs the cluster has processors for."""
        import ray

        self._connect()
        resources: Any = ray.cluster_resources()
        return max(1, int(resources.get("CPU", cores()) / float(self.ray_cfg.remote.get("num_cpus") or 1)))

    def _connect(self) -> Any:
        import ray

        self.begin()
        with own_handlers():
            start_ray(OmegaConf.create(OmegaConf.to_container(self.ray_cfg.init, resolve=True)))
        options: Any = OmegaConf.to_container(self.ray_cfg.remote, resolve=True)
        return ray.remote(**{"num_cpus": 1, **options, "max_retries": 0})(_run)

    def _submit(self, remote: Any, number: int, overrides: Sequence[str]) -> Any:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = f"job_id_for_{number}", number
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        place = str(Path.cwd())
        return remote.remote(place, passed, self.hydra_context, config, self.task_function, Singleton.get_state())


@contextmanager
def own_handlers() -> Iterator[None]:
    """Afterwards the handlers of signals are those of before.

    Ray puts its own in the place of SIGTERM's: it prints a stack, and ends the process three seconds later.
    """
    before = {number: signal.getsignal(number) for number in stop_signals()}
    yield
    if threading.current_thread() is threading.main_thread():
        restore(before)


def _run(place: str, variables: Mapping[str, str], *job: Any) -> JobReturn:
    """On a node: one run, in the launcher's working directory."""
    os.chdir(place)
    os.environ.update(variables)
    return run_ray_job(*job)


def _result(task: Any) -> Any:
    """What a task returned, or a `WorkerDied` where its process or node is lost."""
    import ray

    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        return error
    except ray.exceptions.RayError as error:
        return WorkerDied(f"{type(error).__name__}: {str(error).splitlines()[0]}")
