from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from ganexp.types import terminal


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (99, "99 s"),
        (100, "1.7 min"),
        (5999, "100 min"),
        (6000, "1.7 h"),
        (36_000, "10 h"),
        (172_799, "48 h"),
        (200_000, "2.3 d"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert terminal.duration(seconds) == words


def test_the_last_line_that_says_something() -> None:
    assert terminal.last_line("one\n two \n\n  \n") == "two"
    assert terminal.last_line("\n") == ""


def test_counting() -> None:
    assert [terminal.count(n, "job") for n in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
    assert terminal.count(2, "trajectory", "trajectories") == "2 trajectories"


def test_tables_in_files_are_not_squeezed() -> None:
    with redirect_stdout(io.StringIO()) as out:
        terminal.console().print("x" * 150)
    assert out.getvalue().splitlines() == ["x" * 150]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 text\n\tindented", "plain é 漢 text\n\tindented"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb\x08\x7f\x9b", r"a\rb\x08\x7f\x9b"),
        ("\u202etxt.exe\u2066", r"\u202etxt.exe\u2066"),
        ("\ud800\u2028", r"\ud800\u2028"),
        (ValueError("\x07"), r"\x07"),
    ],
)
def test_no_text_acts_on_the_terminal(text: object, shown: str) -> None:
    assert terminal.plain(text) == shown
