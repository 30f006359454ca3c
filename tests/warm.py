"""Commands in processes that start warm: forked from one that has imported the libraries, but not ganexp.

A new Python imports PyTorch, pandas and Hydra for seconds before a command says its first word.
"""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.process
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver, popen_forkserver
from pathlib import Path
from types import ModuleType

import pytest

LIBRARIES = """
    torch torch.optim torch.utils._device numpy scipy.linalg scipy.optimize scipy.stats sklearn.datasets pandas
    matplotlib.figure matplotlib.style matplotlib.backends.backend_agg matplotlib.backends.backend_svg
    hydra hydra.main hydra._internal.hydra hydra._internal.core_plugins.basic_launcher
    hydra._internal.core_plugins.basic_sweeper hydra._internal.core_plugins.bash_completion
    hydra_plugins.hydra_optuna_sweeper.optuna_sweeper hydra_plugins.hydra_optuna_sweeper._impl
    hydra_plugins.hydra_joblib_launcher.joblib_launcher hydra_plugins.hydra_joblib_launcher._core
    optuna cmaes sqlalchemy sqlalchemy.dialects.sqlite omegaconf annotated_types pydantic.dataclasses pydantic.types
    pydantic.type_adapter typer rich.console rich.table jinja2 joblib cloudpickle safetensors.torch psutil
    PIL.Image PIL.JpegImagePlugin PIL.PngImagePlugin PIL.BmpImagePlugin PIL.GifImagePlugin PIL.PpmImagePlugin
"""

_CONTEXT = multiprocessing.get_context("forkserver")


class _Server(forkserver.ForkServer):
    """A server of its own, beside multiprocessing's only one, which other tests fill with ganexp."""

    read_signed = staticmethod(forkserver.read_signed)


_SERVER = _Server()
_SERVER.set_forkserver_preload(LIBRARIES.split())


class Command:
    """`python -m MODULE ARGUMENTS` in a folder, begun; the leader of a process group, with the ways of a `Popen`."""

    def __init__(self, arguments: Sequence[str], *, module: str, cwd: Path, env: Mapping[str, str]) -> None:
        self.args = [module, *arguments]
        self._said = [tempfile.NamedTemporaryFile("r", encoding="utf-8") for _ in range(2)]  # noqa: SIM115
        files = [said.name for said in self._said]
        self._process = _CONTEXT.Process(target=_command, args=(self.args, cwd, dict(env), files))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")  # read by the libraries
            patch.setitem(sys.modules, "__main__", ModuleType("__main__"))  # it would be imported again
            patch.setattr(popen_forkserver, "forkserver", _SERVER)
            self._process.start()
        self.pid = self._process.pid
        with suppress(ProcessLookupError):
            while os.getpgid(self.pid) != self.pid:
                time.sleep(0.001)

    @property
    def returncode(self) -> int | None:
        """Its exit status, or the signal that it died of, negative; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to it alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it alone, where it still runs."""
        self._process.kill()

    def communicate(self, timeout: float = 240.0) -> tuple[str, str]:
        """Wait for its end; what it said on standard output, and on standard error."""
        self.wait(timeout)
        return self._said[0].read(), self._said[1].read()

    def wait(self, timeout: float = 240.0) -> int:
        """Wait for its end; its exit status."""
        self._process.join(timeout)
        if self.returncode is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def close(self) -> None:
        """Kill its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()
        for said in self._said:
            said.close()


def _command(args: Sequence[str], cwd: Path, env: Mapping[str, str], files: Sequence[str]) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    multiprocessing.process._parent_process = None
    for number, file in enumerate(files, 1):
        opened = os.open(file, os.O_WRONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    here = Path(__file__).parent
    sys.path[:] = [path for path in sys.path if path and here not in (Path(path), *Path(path).parents)]
    if not env.get("PYTHONSAFEPATH"):
        sys.path.insert(0, str(cwd))
    sys.argv[:] = args
    try:
        runpy.run_module(args[0], run_name="__main__", alter_sys=True)
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        atexit._run_exitfuncs()
