"""The progress display: plain lines, the bar, silence, and what a step costs."""

import io
import time
from itertools import pairwise

import pytest

from ganexp.trainer.progress import LINE_SECONDS, Progress, estimate_line


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def row(epoch, seconds_per_epoch=2.0, **values):
    return {
        "epoch": epoch,
        "step": 10 * epoch,
        "images_seen": 320 * epoch,
        "train_seconds": seconds_per_epoch * epoch,
        "d_loss": 0.41234,
        "g_loss": 2.5,
        **values,
    }


def run(stream, epochs=5, seconds_per_epoch=2.0, **arguments):
    clock = Clock()
    with Progress(
        total_steps=10 * epochs, epochs=epochs, images_per_step=32, stream=stream, clock=clock, **arguments
    ) as progress:
        progress.start("begin")
        for step in range(1, 10 * epochs + 1):
            clock.now += seconds_per_epoch / 10
            progress.step(step)
            if step % 10 == 0:
                progress.epoch(row(step // 10, seconds_per_epoch))
    return stream.getvalue().splitlines()


def test_long_epochs_get_a_line_each():
    lines = run(io.StringIO(), epochs=5, seconds_per_epoch=60.0)
    assert lines[0] == "begin"
    assert [line.split()[1] for line in lines[1:]] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert lines[1] == "epoch 1/5  d_loss 0.4123  g_loss 2.5  5 images/s  4.0 min left"
    assert lines[-1].endswith("took 5.0 min")


def test_short_epochs_get_the_first_the_last_and_one_every_ten_seconds():
    lines = run(io.StringIO(), epochs=100, seconds_per_epoch=0.5)[1:]
    epochs = [int(line.split()[1].split("/")[0]) for line in lines]
    assert epochs[0] == 1
    assert epochs[-1] == 100
    assert len(lines) == 2 + int(49.5 / LINE_SECONDS)
    assert all((b - a) * 0.5 >= LINE_SECONDS - 0.5 for a, b in pairwise(epochs[:-1]))


def test_a_run_that_stops_early_still_says_its_last_epoch():
    stream, clock = io.StringIO(), Clock()
    with (
        pytest.raises(KeyboardInterrupt),
        Progress(total_steps=100, epochs=10, images_per_step=32, stream=stream, clock=clock) as progress,
    ):
        progress.start("begin")
        for epoch in (1, 2, 3):
            clock.now += 1
            progress.epoch(row(epoch))
        raise KeyboardInterrupt
    progress.close()
    assert [line[:10] for line in stream.getvalue().splitlines()] == ["begin", "epoch 1/10", "epoch 3/10"]


def test_speed_is_of_training_alone_and_time_left_of_everything():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(total_steps=40, epochs=4, images_per_step=32, stream=stream, clock=clock)
    progress.start("begin")
    clock.now += 20  # 2 s of training, 18 s of scoring
    progress.epoch(row(1))
    assert "160 images/s  60 s left" in stream.getvalue()


def test_a_resumed_run_does_not_count_former_steps_as_speed():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(total_steps=40, epochs=4, images_per_step=32, stream=stream, clock=clock)
    progress.start("begin", steps_done=20, epochs_done=2)
    clock.now += 2
    progress.epoch(row(3))
    assert "epoch 3/4" in stream.getvalue()
    assert "160 images/s  2.0 s left" in stream.getvalue()


def test_empty_columns_are_left_out_and_more_can_be_asked_for():
    stream = io.StringIO()
    progress = Progress(total_steps=20, epochs=2, images_per_step=1, stream=stream, columns=("d_loss", "cfd", "fid"))
    progress.start("begin")
    progress.epoch(row(1, cfd=12.5, fid=None))
    assert "d_loss 0.4123  cfd 12.5  " in stream.getvalue()
    assert "fid" not in stream.getvalue()


def test_off_is_silent():
    stream = Terminal()
    run(stream, enabled="off")
    progress = Progress(total_steps=1, epochs=1, images_per_step=1, stream=stream, enabled="off")
    progress.note("nothing")
    assert stream.getvalue() == ""


def test_another_mode_is_refused():
    with pytest.raises(ValueError, match="expected auto, plain or off, got 'loud'"):
        Progress(total_steps=1, epochs=1, images_per_step=1, enabled="loud")


def test_a_terminal_gets_a_bar(terminal):
    text = "\n".join(run(terminal))
    assert "begin" in text
    assert "━" in text
    assert "epoch 2/5" in text
    assert "d_loss 0.4123  g_loss 2.5  160 images/s" in text
    assert "8.0 s left" in text
    assert "took 10 s" in text
    assert "100%" in text


def test_a_dumb_terminal_and_plain_get_lines(terminal, monkeypatch):
    assert not any("━" in line for line in run(terminal, enabled="plain"))
    monkeypatch.setenv("TERM", "dumb")
    assert not any("━" in line for line in run(Terminal()))


def test_a_narrow_terminal_gets_the_numbers_without_the_bar(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = "\n".join(run(terminal))
    assert "━" not in text
    assert "epoch 2/5" in text
    assert "160 images/s" in text


def test_notes_are_taken_literally(terminal):
    with Progress(total_steps=1, epochs=1, images_per_step=1, stream=terminal) as progress:
        progress.start("x")
        progress.note("trust=[mylab.*] " * 20)
    assert "trust=[mylab.*] " * 20 in terminal.getvalue()


def test_the_bar_is_redrawn_at_most_twice_a_second(terminal):
    clock = Clock()
    with Progress(total_steps=1000, epochs=1, images_per_step=1, stream=terminal, clock=clock) as progress:
        progress.start("begin")
        before = terminal.getvalue().count("epoch 1/1")
        for step in range(1000):
            clock.now += 0.01
            progress.step(step)
        assert 18 <= terminal.getvalue().count("epoch 1/1") - before <= 21


@pytest.mark.parametrize("mode", ["off", "plain", "auto"])
def test_a_step_costs_under_two_microseconds(terminal, mode):
    costs = []
    for _ in range(3):
        progress = Progress(total_steps=10**6, epochs=1, images_per_step=1, enabled=mode, stream=terminal)
        progress.start("begin")
        began = time.perf_counter()
        for step in range(50_000):
            progress.step(step)
        costs.append((time.perf_counter() - began) / 50_000)
        progress.close()
    assert min(costs) < 2e-6


def test_the_estimate_says_what_is_trained_on_what():
    line = estimate_line(1_493_520, 663_041, 60_000, 93_750, 734.0)
    assert line == ("generator 1,493,520 parameters, discriminator 663,041; 60,000 images, 93,750 steps, about 12 min")
    assert estimate_line(1, 1, 1, 1, 734.0, "1.2 GB of memory").endswith("about 12 min, 1.2 GB of memory")
    assert estimate_line(1, 1, 1, 1, None, "1.2 GB of memory").endswith("time not known yet")
