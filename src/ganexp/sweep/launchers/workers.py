"""Worker processes that each take one task at a time; one that dies takes only its own task with it."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, Final

import cloudpickle

from ganexp.config.hydra_private import env_override
from ganexp.types.system import WINDOWS, signal_self
from ganexp.types.terminal import keep_working

GRACE_SECONDS = 60.0  # longest time that stopping workers may take to save their work
LATER: Final = object()  # in place of a task: there is none now, but may be one again
LATER_SECONDS = 1.0  # longest pause after LATER before the next task is asked for
_HANDED_OVER: Final = object()  # in place of an answer: the task has only now been handed over


class WorkerDied(Exception):
    """A worker process ended in the middle of its task."""


class Feed:
    """Tasks (or LATER), asked for one by one while there is room for them.

    Afterwards `ended` says that there will be no more, and `later` that the last answer was LATER.
    """

    def __init__(self, tasks: Iterator[Any]) -> None:
        self._tasks = tasks
        self.ended = self.later = False

    def while_room(self, has_room: Callable[[], bool]) -> Iterator[Any]:
        """The tasks that are there now, each asked for when the one before has been taken."""
        self.later = False
        while not self.ended and has_room():
            task = next(self._tasks, None)
            self.ended, self.later = task is None, task is LATER
            if self.ended or self.later:
                return
            yield task


@dataclass
class _Slot:
    environment: Mapping[str, str]  # variables that its processes get
    process: SpawnProcess | None = None  # the present worker
    connection: Connection | None = None  # to it
    task: int | None = None  # number of the task it works on
    waiting: bytes | None = None  # that task, while a new process does not listen yet


class Workers:
    """A pool of processes, one for each environment, that stay warm between tasks.

    joblib's own pool gives up all its tasks when one worker is killed; here only one task is lost. `function` is called
    with each task's arguments in a worker; it is sent once to each process, by value where it must be. `environments`
    are the variables of each worker, set before it starts.
    """

    def __init__(self, function: Callable[..., Any], environments: Sequence[Mapping[str, str]]) -> None:
        self._function: bytes = cloudpickle.dumps(function)
        self._slots = [_Slot(environment) for environment in environments]

    def run(self, tasks: Iterator[Any]) -> Generator[tuple[int, Any], None, None]:
        """Work on tasks, each the arguments of one call, or LATER; the next is asked for when a worker is free.

        Yields, in the order they end, the number of a task (0, 1, ... as they came) and what the call returned, or the
        exception where it raised, or `WorkerDied` where its worker died.

        Leaving early, by an exception or by closing the generator (`contextlib.closing`), asks all workers to stop with
        SIGTERM and waits for them.
        """
        feed, numbers = Feed(tasks), count()
        try:
            while True:
                for arguments in feed.while_room(lambda: any(slot.task is None for slot in self._slots)):
                    free = next(slot for slot in self._slots if slot.task is None)
                    self._give(free, next(numbers), arguments)
                if all(slot.task is None for slot in self._slots) and not feed.later:
                    break
                for slot in self._ready(LATER_SECONDS if feed.later or WINDOWS else None):
                    answer = self._take(slot)
                    if answer is not _HANDED_OVER:
                        done, slot.task = slot.task, None
                        assert done is not None
                        yield done, answer
        finally:
            self._stop()

    def _give(self, slot: _Slot, number: int, arguments: tuple[Any, ...]) -> None:
        slot.task, payload = number, cloudpickle.dumps(arguments)
        if slot.process is not None and slot.process.is_alive() and slot.connection is not None:
            with suppress(OSError):
                slot.connection.send_bytes(payload)
                return
        self._discard(slot)
        self._start(slot)
        slot.waiting = payload

    def _start(self, slot: _Slot) -> None:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve, args=(theirs,), name="ganexp-worker")
        with env_override(dict(slot.environment)), _without_main():
            process.start()
        theirs.close()
        slot.process, slot.connection = process, ours

    def _ready(self, seconds: float | None) -> list[_Slot]:
        """The slots whose worker sends something, or is gone; waits for one, `seconds` at most."""
        busy = {slot.connection: slot for slot in self._slots if slot.task is not None}
        ready = wait([connection for connection in busy if connection is not None], seconds)
        return [slot for connection, slot in busy.items() if connection in ready]

    def _take(self, slot: _Slot) -> Any:
        """The message of a slot that is ready; a new process says that it listens, and is given its task."""
        assert slot.connection is not None
        try:
            message = slot.connection.recv_bytes()
            if slot.waiting is None:
                return cloudpickle.loads(message)
            slot.connection.send_bytes(self._function)
            slot.connection.send_bytes(slot.waiting)
        except (EOFError, OSError):
            return WorkerDied(self._discard(slot))
        slot.waiting = None
        return _HANDED_OVER

    def _discard(self, slot: _Slot) -> str:
        """Remove the present process; return how it ended, in words."""
        process, connection = slot.process, slot.connection
        slot.process = slot.connection = slot.waiting = None
        if connection is not None:
            connection.close()
        if process is None:
            return ""
        process.join(GRACE_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        words = _ending(process.exitcode or 0)
        process.close()
        return words

    def _stop(self) -> None:
        """Idle workers end at once, busy ones are asked to; those still there after the grace period are killed."""
        for slot in self._slots:
            if slot.process is not None and slot.task is not None:
                if not WINDOWS:  # whose Ctrl-C reaches every process of a console, and whose terminate() lets none save
                    slot.process.terminate()
            elif slot.connection is not None:
                slot.connection.close()
        until = time.monotonic() + GRACE_SECONDS
        try:
            for slot in self._slots:
                if slot.process is not None:
                    if slot.task is not None and slot.connection is not None:
                        slot.connection.poll(max(0.0, until - time.monotonic()))
                        slot.connection.close()
                    slot.process.join(max(0.0, until - time.monotonic()))
        finally:
            for slot in self._slots:
                if slot.process is not None:
                    slot.process.kill()
                    slot.process.join()
                slot.process = slot.connection = slot.task = slot.waiting = None


@contextmanager
def _without_main() -> Iterator[None]:
    """Inside, a new process does not run the caller's script or notebook again: it imports what it calls by name."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(connection: Connection) -> None:
    """A worker's loop: take a task, answer, until the launcher closes the connection or is gone."""
    keep_working()
    threading.Thread(target=_watch, daemon=True, name="ganexp-watch").start()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        connection.send_bytes(b"listening")
        function = cloudpickle.loads(connection.recv_bytes())
        while True:
            arguments = cloudpickle.loads(connection.recv_bytes())
            try:
                answer = function(*arguments)
            except BaseException as error:
                answer = error
            connection.send_bytes(_packed(answer))
            sys.stdout.flush()


def _packed(answer: Any) -> bytes:
    """`answer` as bytes; what cannot be sent becomes an error that says so."""
    try:
        packed: bytes = cloudpickle.dumps(answer)
        cloudpickle.loads(packed)
    except Exception as error:
        packed = cloudpickle.dumps(RuntimeError(f"{answer!r} cannot be sent to the launcher: {error}"))
    return packed


def _watch() -> None:
    """Stop this process, as SIGTERM does, once its launcher is gone."""
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    launcher.join()
    signal_self(signal.SIGTERM)


def _ending(status: int) -> str:
    if status >= 0:
        return f"its worker process ended with status {status}"
    name = signal.Signals(-status).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"its worker process was killed by {name}{hint}"
