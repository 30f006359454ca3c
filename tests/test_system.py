"""Systems that lack what Linux has: simulated, as the suite runs on Linux alone (docs/compatibility.md)."""

import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from ganexp.files import atomic
from ganexp.report import page
from ganexp.sweep.launchers.launcher import visible_gpus
from ganexp.trainer.build import device
from ganexp.types import system, terminal
from ganexp.types.errors import DirectoryError

ELSEWHERE = """
    import multiprocessing.synchronize, multiprocessing.popen_spawn_posix, multiprocessing.resource_tracker
    import multiprocessing.shared_memory, os, random, runpy, select, signal, socket, subprocess, sys, tempfile
    import asyncio, concurrent.futures.process, logging.handlers, platformdirs.unix, psutil, shutil, sqlite3, ssl, torch

    for module, names in {
        os: "O_NOFOLLOW O_NONBLOCK O_CLOEXEC O_DIRECTORY getuid geteuid getgid getegid fork forkpty sysconf link "
        "fchmod fchown chown getpgid setsid killpg sched_getaffinity getloadavg uname mkfifo posix_fallocate statvfs",
        signal: "SIGHUP SIGUSR1 SIGUSR2 SIGKILL SIGQUIT SIGALRM SIGCHLD SIGPIPE pthread_sigmask sigwait setitimer",
        select: "poll epoll",
    }.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    sys.modules |= dict.fromkeys(["fcntl", "resource", "pwd", "grp", "termios", "tty"])
    sys.modules.pop("filelock", None)

    module, *sys.argv[1:] = sys.argv[1:]
    sys.argv[0] = module
    runpy.run_module(module, run_name="__main__")
"""
"""A Python whose process lacks what Windows lacks; libraries that choose by `sys.platform` are there already."""


@pytest.fixture
def elsewhere(ganexp, tmp_path):
    """Run `python -m <module> ARGS` in tmp_path on such a system; the working processes of a sweep lack nothing."""
    (tmp_path / "elsewhere.py").write_text(textwrap.dedent(ELSEWHERE))
    return lambda module, *arguments: ganexp(module, *map(str, arguments), module="elsewhere")


def opened(elsewhere, module, *arguments):
    """Run a command, and see that it says what is not promised."""
    ended = elsewhere(f"ganexp.{module}", *arguments)
    assert ended.returncode == 0, (module, ended.stderr)
    assert ended.stderr.count("this system has no O_NOFOLLOW") == 1, (module, ended.stderr)
    assert "Nothing outside is touched" in ended.stderr


def test_a_run_and_its_status_and_report_where_names_are_absent(elsewhere, tmp_path):
    single = elsewhere("ganexp", "experiment=debug", "hydra.run.dir=s/r")
    assert single.returncode == 0, single.stderr
    opened(elsewhere, "status", tmp_path / "s" / "r")
    opened(elsewhere, "report", tmp_path / "s")


@pytest.mark.slow
def test_every_other_command_where_names_are_absent(elsewhere, tmp_path):
    run, sweep = tmp_path / "r", tmp_path / "s"
    grid = ("--multirun", "experiment=debug", "seed=0,1", f"hydra.sweep.dir={sweep}", "hydra/launcher=basic")
    assert elsewhere("ganexp", "experiment=debug", f"hydra.run.dir={run}").returncode == 0
    assert elsewhere("ganexp", *grid).returncode == 0
    opened(elsewhere, "status", sweep)
    opened(elsewhere, "report", sweep, "--best")
    opened(elsewhere, "evaluate", run)
    opened(elsewhere, "resume", run)
    opened(elsewhere, "sample", run, "--num", 4, "--out", tmp_path / "x.npy")
    assert (tmp_path / "x.npy").stat().st_size > 4 * 64
    opened(elsewhere, "confirm", sweep, "--dry-run")
    opened(elsewhere, "clean", sweep)


def test_without_flags_of_open_links_and_pipes_are_refused_before_they_are_opened(tmp_path):
    (tmp_path / "file").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    program = """
        import os, sys
        del os.O_NOFOLLOW, os.O_NONBLOCK
        from ganexp.files.foreign import read_text
        from pathlib import Path
        for name in ("file", "link", "pipe"):
            try:
                print(name, read_text(Path(sys.argv[1]) / name, 10))
            except OSError as error:
                print(name, "refused")
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert told.stdout.splitlines() == ["file {}", "link refused", "pipe refused"], told.stderr


def test_a_file_that_somebody_reads_is_replaced_once_windows_allows_it(tmp_path, monkeypatch):
    refusals, replace = [1, 1], Path.replace

    def refused(path, target):
        if refusals:
            refusals.pop()
            raise PermissionError(13, "used by another process")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(PermissionError):
        atomic.write_text(tmp_path / "status.json", "{}")
    assert list(tmp_path.iterdir()) == []
    refusals[:] = [1, 1]
    monkeypatch.setattr(system, "WINDOWS", True)
    atomic.write_text(tmp_path / "status.json", "{}")
    assert (tmp_path / "status.json").read_text() == "{}"
    assert stat.S_ISREG((tmp_path / "status.json").stat().st_mode)


def test_signals_that_are_absent_are_left_out():
    assert system.signals("SIGTERM", "SIGBREAK") == (signal.SIGTERM,)


def test_a_console_that_takes_characters_is_not_written_to_by_its_descriptor(monkeypatch):
    class Console(terminal.io.RawIOBase):
        """As `io._WindowsConsoleIO`: no FileIO."""

        taken = b""

        def writable(self):
            return True

        def write(self, data):
            self.taken += bytes(data)
            return len(data)

    console = Console()
    like = terminal.io.TextIOWrapper(terminal.io.BufferedWriter(console), encoding="utf-8", line_buffering=True)
    print("é\x1b]0;title\x07", file=terminal._lossy(1, like))
    assert console.taken.decode() == "é\\x1b]0;title\\x07\n"


def test_a_lost_message_tells_that_the_reader_is_gone_where_pipes_cannot_be_asked(monkeypatch):
    monkeypatch.delattr(terminal.select, "poll")
    reading, writing = os.pipe()
    stream = terminal._lossy(writing, None)
    monkeypatch.setattr(sys, "stdout", stream)
    assert not terminal.reader_gone()
    os.close(reading)
    stream.write("x\n")
    stream.flush()
    assert terminal.reader_gone()
    os.close(writing)


def test_auto_takes_cuda_before_the_gpu_of_a_mac_before_the_cpu(monkeypatch):
    there = {"cuda": True, "mps": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there["mps"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * there["cuda"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (device("auto").type, visible_gpus("auto")) == ("cuda", ["0", "1"])
    there["cuda"] = False
    assert (device("auto").type, visible_gpus("auto"), visible_gpus("cpu")) == ("mps", ["0"], [])
    there["mps"] = False
    assert (device("auto").type, visible_gpus("auto")) == ("cpu", [])


def test_a_page_cannot_be_written_on_another_drive_than_its_runs(tmp_path, monkeypatch):
    def other_drives(path, start):
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(page.os.path, "relpath", other_drives)
    with pytest.raises(DirectoryError, match="--out: expected a folder on the drive of"):
        page._link(tmp_path / "run", tmp_path / "out")


def test_no_text_is_read_in_the_encoding_of_the_system():
    sources = Path(system.__file__).parents[1].rglob("*.py")
    found = [path.name for path in sources if re.search(r"\.read_text\(\)", path.read_text())]
    assert found == []  # that of Windows is not UTF-8
