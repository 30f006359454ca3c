"""Launchers over submitit: job arrays on SLURM, or processes of this machine that behave like them.

What the submitit plugin does for a job is left as it is. Beside it: a job that ends without an answer (killed, out of
memory, node lost) is a JobReturn that says so and takes no other with it; results come as they are there; several runs
can share one allocation.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_submitit_launcher.submitit_launcher import BaseSubmititLauncher, LocalLauncher, SlurmLauncher

from ganexp.config.hydra_private import JobReturn, Singleton, setup_globals
from ganexp.files.foreign import refuse_links
from ganexp.sweep.launchers.launcher import Answers, Streaming, as_return, checked_share, environments, visible_gpus
from ganexp.sweep.launchers.workers import GRACE_SECONDS, Feed, WorkerDied, Workers
from ganexp.types.errors import ConfigError
from ganexp.types.system import cores

POLL_SECONDS = 2.0  # between two looks at the queue
LINGER_SECONDS = 30.0  # longest delay of an answer on a shared file system after its job has left the queue

EXECUTOR_KEYS = ("max_num_timeout", "python")
OWN_KEYS = ("submitit_folder", "runs_per_job", "jobs_per_gpu", *EXECUTOR_KEYS)
SHARED_KEYS = (
    *("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name"),
    "stderr_to_stdout",
)
"""Keys that submitit has for all of its executors; the others belong to one of them."""


class Call:
    """What the plugin does for one run; all jobs of a launcher share it."""

    def __init__(self, launcher: SubmititStream) -> None:
        self.launcher, self.singletons = launcher, Singleton.get_state()

    def __call__(self, number: int, overrides: Sequence[str]) -> JobReturn:
        """Make the run."""
        done: JobReturn = BaseSubmititLauncher.__call__(
            self.launcher, list(overrides), "hydra.sweep.dir", number, f"job_id_for_{number}", self.singletons
        )
        return done


class Allocation:
    """What one submitted job does: one run, or several side by side.

    `shared` is the file with the `Call` of all jobs; `jobs` holds (number, overrides) of each run.
    """

    def __init__(self, shared: Path, jobs: Sequence[tuple[int, Sequence[str]]]) -> None:
        self.shared, self.jobs = shared, list(jobs)

    def __call__(self) -> list[JobReturn]:
        """Make them; a run that fails, or whose process dies, is a JobReturn that says so."""
        from submitit.core.utils import pickle_load

        call: Call = pickle_load(self.shared)
        if len(self.jobs) == 1:
            return [call(*self.jobs[0])]
        Singleton.set_state(call.singletons)
        setup_globals()
        threads = call.launcher.threads
        device = str(call.launcher.config.trainer.device)
        on_gpus = (call.launcher.jobs_per_gpu or 0) * len(visible_gpus(device))
        count = on_gpus or max(1, int(os.environ.get("SLURM_CPUS_PER_TASK") or cores()) // threads)
        crew = environments(min(count, len(self.jobs)), threads, device)
        results: dict[int, JobReturn] = {}
        with closing(Workers(call, crew).run(iter(self.jobs))) as answers:
            for number, answer in answers:
                results[number] = as_return(answer, self.jobs[number][1])
        return [results[number] for number in range(len(self.jobs))]

    def checkpoint(self) -> Any:
        """For submitit, before the job loses its node: the same job, which goes on from the checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class SubmititStream(Streaming, BaseSubmititLauncher):  # type: ignore[misc]
    """Base of both launchers."""

    tries = 3

    def __init__(self, runs_per_job: int = 1, jobs_per_gpu: int | None = None, **params: Any) -> None:
        super().__init__(**params)
        self.jobs_per_gpu = None if jobs_per_gpu is None else checked_share(jobs_per_gpu)
        if runs_per_job < 1:
            raise ConfigError(f"hydra.launcher.runs_per_job: expected at least 1, got {runs_per_job}")
        if (jobs_per_gpu or 1) > 1 and runs_per_job == 1:
            raise ConfigError("hydra.launcher.jobs_per_gpu: expected hydra.launcher.runs_per_job above 1 beside it")
        self.runs_per_job = runs_per_job
        self._running = dict[int, Any]()  # number -> job that was submitted and has not ended

    @property
    def threads(self) -> int:
        """Threads of each run."""
        return int(self.config.trainer.threads or 1)

    def batch(self, job_overrides: Sequence[Sequence[str]], first: int) -> Answers:
        """Run the jobs of one batch, in arrays no longer than the cluster allows.

        The next array is submitted when fewer of the submitted jobs are left than may run at once.
        """
        numbered = [(first + index, overrides) for index, overrides in enumerate(job_overrides)]
        size = self.runs_per_job
        executor, shared = self._executor()
        units = [Allocation(shared, numbered[start : start + size]) for start in range(0, len(numbered), size)]
        submitted, jobs = 0, self._running
        longest, most = self._longest_array() or len(units), self.at_once()
        while jobs or submitted < len(units):
            if submitted < len(units) and len(jobs) < most:
                array = units[submitted : submitted + longest]
                jobs.update(enumerate(executor.map_array(Allocation.__call__, array), submitted))
                submitted += len(array)
            for place in self._ended(jobs):
                yield from enumerate(self._answer(jobs.pop(place), units[place]), place * size)
            time.sleep(POLL_SECONDS if jobs else 0.0)

    def stream(self, jobs: Iterator[Any], most: int, first: int = 0) -> Answers:
        """Run jobs, `most` of them submitted at once, each on its own; see `Streaming`."""
        executor, shared = self._executor()
        running, units, feed = self._running, list[Allocation](), Feed(jobs)
        while True:
            for overrides in feed.while_room(lambda: len(running) < most):
                units.append(Allocation(shared, [(first + len(units), list(overrides))]))
                running[len(units) - 1] = executor.submit(units[-1])
            if feed.ended and not running:
                return
            time.sleep(POLL_SECONDS)
            for number in self._ended(running):
                yield number, self._answer(running.pop(number), units[number])[0]

    def cancel(self) -> None:
        """Cancel the jobs that wait or run, and wait until the runs have saved their work."""
        for job in self._running.values():
            job.cancel(check=False)
        until = time.monotonic() + GRACE_SECONDS
        while self._running and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            for number in self._ended(self._running):
                del self._running[number]

    def at_once(self) -> int:
        """Most jobs at once, as far as the launcher knows."""
        return int(self.params.get("array_parallelism") or cores())

    def _executor(self) -> tuple[Any, Path]:
        import submitit
        from submitit.core.utils import cloudpickle_dump

        folder = self._folder()
        folder.parent.mkdir(parents=True)
        shared = folder.parent / "shared.pkl"
        cloudpickle_dump(Call(self), shared)
        own = {f"{self._EXECUTOR}_{key}": value for key, value in self.params.items() if key in EXECUTOR_KEYS}
        executor = submitit.AutoExecutor(folder=folder, cluster=self._EXECUTOR, **own)
        rest = {key: value for key, value in self.params.items() if key not in OWN_KEYS}
        executor.update_parameters(
            **{key if key in SHARED_KEYS else f"{self._EXECUTOR}_{key}": value for key, value in rest.items()}
        )
        return executor, shared

    def _longest_array(self) -> int | None:
        """Most jobs of one array; None: any number."""
        return None

    def _folder(self) -> Path:
        """Where the pickles of jobs are kept: a new folder, in which nobody else can have placed any."""
        folder = Path(str(self.params["submitit_folder"])).absolute()
        refuse_links(folder.parent)
        return folder.with_name(f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(8)}") / folder.name

    def _ended(self, jobs: dict[int, Any]) -> list[int]:
        """The jobs that have an answer, or will never have one."""
        return [number for number, job in jobs.items() if job.done()]

    def _answer(self, job: Any, unit: Allocation) -> list[JobReturn]:
        try:
            if not job.paths.result_pickle.exists():
                raise WorkerDied(f"job {job.job_id} ended without an answer; see {job.paths.stderr}")
            results: list[JobReturn] = job.results()[0]
        except Exception as error:
            lost = error if isinstance(error, WorkerDied) else WorkerDied(f"job {job.job_id}: {_last_line(error)}")
            return [as_return(lost, overrides) for _, overrides in unit.jobs]
        return results


class LocalStream(SubmititStream, LocalLauncher):  # type: ignore[misc]
    """`hydra/launcher=submitit_local`: a process for each job, all at once, on this machine."""


class SlurmStream(SubmititStream, SlurmLauncher):  # type: ignore[misc]
    """`hydra/launcher=submitit_slurm`: job arrays on a SLURM cluster.

    One squeue command tells which jobs are still there: submitit's sacct is not on every cluster, and is asked only
    every ten minutes. A requeued job is in the queue again, and so still there.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._gone_since: dict[str, float] = {}

    def _longest_array(self) -> int | None:
        size = re.search(r"^MaxArraySize\s*=\s*(\d+)", _output("scontrol", "show", "config") or "", re.MULTILINE)
        return max(1, int(size[1]) - 1) if size else None

    def _ended(self, jobs: dict[int, Any]) -> list[int]:
        queued = _queued()
        if queued is None:  # the controller does not answer: nothing has left the queue as far as anyone knows
            self._gone_since.clear()
            return []
        for job in jobs.values():
            if job.job_id in queued:
                self._gone_since.pop(job.job_id, None)
        return [number for number, job in jobs.items() if job.job_id not in queued and self._settled(job)]

    def _settled(self, job: Any) -> bool:
        """Whether the answer of a job that has left the queue is there, or is overdue."""
        since = self._gone_since.setdefault(job.job_id, time.monotonic())
        return bool(job.paths.result_pickle.exists()) or time.monotonic() - since > LINGER_SECONDS


def _queued() -> set[str] | None:
    """Ids of the user's queued or running jobs and array tasks; None: no answer."""
    lines = _output("squeue", "--noheader", "--array", "--format=%i", "--me")
    return None if lines is None else {line.strip() for line in lines.splitlines()}


def _output(*command: str) -> str | None:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    return None if done.returncode else done.stdout


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip(" -")]
    return f"{type(error).__name__}: {lines[-1].strip() if lines else ''}"
