"""The launcher of sweeps on one machine, single-threaded processes for its cores or GPUs; what all launchers share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

from ganexp.config.hydra_private import (
    JobReturn,
    JobStatus,
    Singleton,
    configure_log,
    execute_joblib_job,
    setup_globals,
)
from ganexp.sweep.launchers.workers import LATER, Workers
from ganexp.types.errors import ConfigError
from ganexp.types.system import cores

MOST_THREADS = 256  # of a process, at most

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Answers = Generator[tuple[int, JobReturn], None, None]  # as jobs end: number (0, 1, ... as they came) and result


class Streaming(ABC):
    """A launcher that answers for each job as it ends; a base class that comes before Hydra's."""

    tries = 2  # most launches of a run by one command, while its processes are killed or lost
    config: Any
    hydra_context: Any

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs of one batch; as Hydra calls it."""
        return [done for _, done in sorted(self.batch(job_overrides, initial_job_idx), key=itemgetter(0))]

    def batch(self, job_overrides: Sequence[Sequence[str]], first: int) -> Answers:
        """Run the jobs of one batch; a job that fails, or whose process dies, is a JobReturn that says so."""
        return self.stream(iter(job_overrides), len(job_overrides), first)

    @abstractmethod
    def stream(self, jobs: Iterator[Any], most: int, first: int = 0) -> Answers:
        """Run jobs; the next one is asked for only when there is room for it.

        `jobs` gives the overrides of each, or `workers.LATER` where there is none now but may be one again.
        """

    def begin(self) -> None:
        """Set up Hydra's globals, logging and sweep directory, as each launcher of Hydra's does first."""
        setup_globals()
        hydra = self.config.hydra
        configure_log(hydra.hydra_logging, hydra.verbose, execution_whitelist=self.hydra_context.execution_whitelist)
        Path(str(hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)


class WorkersLauncher(Streaming, JoblibLauncher):  # type: ignore[misc]
    """`hydra/launcher=joblib`: as Hydra's own, but a worker that is killed takes only its own job with it.

    joblib gives up a whole batch when one of its processes dies, so the processes are ganexp's (`Workers`), which call
    the plugin's own function. `n_jobs` is processes at once (-1: `jobs_per_gpu` for each GPU, or cores divided by
    threads where there is none);
    `inner_max_num_threads` is threads of each (null: trainer.threads, or one); the plugin's other keys must keep their
    defaults.
    """

    def __init__(
        self, n_jobs: int = -1, inner_max_num_threads: int | None = None, jobs_per_gpu: int = 1, **joblib: Any
    ) -> None:
        super().__init__(n_jobs=n_jobs, inner_max_num_threads=inner_max_num_threads, **joblib)
        self.jobs_per_gpu = checked_share(jobs_per_gpu)
        defaults = JobLibLauncherConf()
        for key, value in joblib.items():
            if value != getattr(defaults, key, None):
                raise ConfigError(
                    f"hydra.launcher.{key}: expected {getattr(defaults, key, None)!r}, the only value that ganexp's "
                    f"own worker processes know, got {value!r}"
                )
        if n_jobs != -1 and n_jobs < 1:
            raise ConfigError(f"hydra.launcher.n_jobs: expected -1 (all cores or GPUs) or at least 1, got {n_jobs}")
        if inner_max_num_threads is not None and not 1 <= inner_max_num_threads <= MOST_THREADS:
            raise ConfigError(
                f"hydra.launcher.inner_max_num_threads: expected 1 to {MOST_THREADS} or null, "
                f"got {inner_max_num_threads}"
            )

    @property
    def threads(self) -> int:
        """Threads of each process."""
        return int(self.joblib["inner_max_num_threads"] or self.config.trainer.threads or 1)

    def at_once(self) -> int:
        """Most jobs at once."""
        return len(self.environments(10**6))

    def environments(self, jobs: int) -> list[dict[str, str]]:
        """The environment variables of each process; there are no more of them than jobs."""
        requested, device = int(self.joblib["n_jobs"]), str(self.config.trainer.device)
        on_gpus = self.jobs_per_gpu * len(visible_gpus(device))
        count = requested if requested > 0 else on_gpus or max(1, cores() // self.threads)
        return environments(min(count, max(1, jobs)), self.threads, device)

    def stream(self, jobs: Iterator[Any], most: int, first: int = 0) -> Answers:
        """Run jobs, each as soon as a process is free; see `Streaming`."""
        self.begin()
        call = _Call(self.hydra_context, self.config, self.task_function, Singleton.get_state())
        handed_out: list[Sequence[str]] = []

        def tasks() -> Iterator[Any]:
            for overrides in jobs:
                if overrides is LATER:
                    yield LATER
                else:
                    handed_out.append(list(overrides))
                    yield first + len(handed_out) - 1, handed_out[-1]

        with closing(Workers(call, self.environments(most)).run(tasks())) as answers:
            for number, answer in answers:
                yield number, as_return(answer, handed_out[number])


class _Call:
    """What a worker does for a job: the joblib plugin's own function, with what all jobs share."""

    def __init__(self, *shared: Any) -> None:
        self.shared = shared

    def __call__(self, index: int, overrides: Sequence[str]) -> JobReturn:
        context, config, task_function, singletons = self.shared
        try:
            return execute_joblib_job(
                idx=index,
                overrides=overrides,
                hydra_context=context,
                config=config,
                task_function=task_function,
                task_function_unwrap_depth=0,
                singleton_state=singletons,
                wrap_result=False,
            )
        except (SystemExit, KeyboardInterrupt) as error:
            # Hydra hangs a JobReturn on the exception which holds the exception: pickling that does not end.
            raise type(error)(*error.args) from None


def checked_share(jobs_per_gpu: int) -> int:
    """`hydra.launcher.jobs_per_gpu`; ConfigError where it is no number of jobs."""
    if jobs_per_gpu < 1:
        raise ConfigError(f"hydra.launcher.jobs_per_gpu: expected at least 1, got {jobs_per_gpu}")
    return jobs_per_gpu


def environments(count: int, threads: int, device: str) -> list[dict[str, str]]:
    """Variables for `count` processes that share a machine: threads of each, and its GPU if any."""
    gpus = visible_gpus(device)
    limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
    shares = [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {} for number in range(count)]
    return [{**limits, **gpu} for gpu in shares]


def visible_gpus(device: str) -> list[str]:
    """GPUs to share out, as CUDA_VISIBLE_DEVICES names them; none where `device` is the CPU or one GPU ("cuda:1")."""
    if device not in ("auto", "cuda", "mps"):
        return []
    import torch

    count = torch.cuda.device_count() or int(torch.backends.mps.is_available())  # a Mac has one
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


def as_return(answer: object, overrides: Sequence[str]) -> JobReturn:
    """A job's answer as a JobReturn: itself, or a failure that holds the exception."""
    if isinstance(answer, JobReturn):
        return answer
    failed = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    failed.return_value = answer
    return failed
