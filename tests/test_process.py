from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ganexp.sweep.stopping import stopped_by
from ganexp.trainer.signals import Signals, stop_signals

TALK = "from ganexp.types.terminal import keep_working; keep_working(); print(chr(233), flush=True); print('x' * 10**6)"
"""A program that says more than a pipe holds."""


def talk(command: str, program: str = TALK, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Python's in a shell command that says where its messages go, by the name $TALK."""
    env = {**os.environ, "TALK": program, "PYTHON": sys.executable, **env}
    command = f"set -o pipefail; {command}"
    return subprocess.run(
        ["bash", "-c", command], env=env, capture_output=True, text=True, encoding="utf-8", timeout=60
    )


@pytest.mark.parametrize("flag", ["", "-u"])
@pytest.mark.parametrize("place", ["| head -1", ">/dev/full", ">/dev/full 2>&1", ">&-", ">&- 2>&- <&-", "| true"])
def test_messages_that_nobody_takes_end_nothing(place: str, flag: str) -> None:
    program = TALK + "; import sys; sys.stdout.flush(); sys.stderr.write('e' * 10**5); open('/dev/null').close()"
    told = talk(f'"$PYTHON" {flag} -c "$TALK" {place}', program)
    assert told.returncode == 0, told.stderr[-300:]
    assert told.stderr.count("its messages are lost") == (place == ">/dev/full")


def test_nothing_that_is_opened_later_gets_the_messages(tmp_path) -> None:
    program = f"{TALK}; file = open({str(tmp_path / 'data')!r}, 'w'); assert file.fileno() > 2; print('y', flush=True)"
    assert talk('"$PYTHON" -c "$TALK" >&- 2>&-', program).returncode == 0
    assert (tmp_path / "data").read_bytes() == b""


def test_what_the_locale_cannot_say_is_spelled_out() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = talk('"$PYTHON" -c "$TALK" | cut -c 1-9', **locale)
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, r"\xe9")


def test_a_reader_that_went_away_is_noticed_without_writing() -> None:
    ask = (
        "from ganexp.types.terminal import reader_gone; import sys, time; time.sleep(0.5); sys.exit(7 * reader_gone())"
    )
    assert talk('"$PYTHON" -c "$TALK" | true', ask).returncode == 7
    assert talk('"$PYTHON" -c "$TALK" | cat', ask).returncode == 0


def test_sighup_stops_a_run_and_a_sweep_unless_it_was_ignored_at_the_start() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as error, stopped_by() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)  # a terminal that closes sends a second one
        assert stop.status(error.value) == 129
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with Signals().caught() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received == signal.SIGHUP
        assert signal.SIGHUP not in stop_signals()
        with Signals().caught() as signals, stopped_by():  # as nohup starts a process
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_locale_of_ascii_names_of_files_are_utf8() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = "from ganexp.types.terminal import speak_utf8; speak_utf8(); import sys; print(ascii(sys.argv[1:]))"
    told = talk('"$PYTHON" -c "$TALK" é "a b"', program, **locale)
    assert (told.returncode, told.stdout.strip()) == (0, r"['\xe9', 'a b']")
