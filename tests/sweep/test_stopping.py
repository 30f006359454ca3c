from __future__ import annotations

import os
import signal
import threading

import pytest

from ganexp.sweep.stopping import stopped_by


def test_sigterm_becomes_an_exception_with_its_exit_status() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as error, stopped_by() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.status(error.value) == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_is_130_and_a_jobs_own_status_is_kept() -> None:
    with stopped_by() as stop:
        pass
    assert stop.status(KeyboardInterrupt()) == 130
    assert stop.status(SystemExit(143)) == 143


def test_outside_the_main_thread_nothing_is_changed() -> None:
    seen = []

    def work() -> None:
        with stopped_by():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
