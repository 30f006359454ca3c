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


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_does_not_keep_the_workers_from_saving(first: int, second: int) -> None:
    before = {number: signal.getsignal(number) for number in (first, second)}
    saved = False
    with pytest.raises((SystemExit, KeyboardInterrupt)), stopped_by():
        try:
            os.kill(os.getpid(), first)
        finally:
            os.kill(os.getpid(), second)
            os.kill(os.getpid(), second)
            saved = True
    assert saved
    after = {number: signal.getsignal(number) for number in (first, second)}
    assert after == {**before, **({second: signal.SIG_IGN} if second == signal.SIGHUP else {})}
    if second == signal.SIGHUP:
        signal.signal(second, before[second])


def test_an_impatient_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganexp.sweep.stopping.IMPATIENT_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt), stopped_by():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGINT)


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
