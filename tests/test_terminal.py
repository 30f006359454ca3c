from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from ganexp.types import terminal
from ganexp.types.tables import fitted


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


def test_tables_in_files_are_not_squeezed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
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


ROWS = [("key", "value", "time"), ("a", "0.0001", "4.2 s"), ("b", "0.00010001", "漢字")]


def test_a_table_that_fits() -> None:
    assert fitted(ROWS, 80, ("time",)) == [
        "key  value       time",
        "a    0.0001      4.2 s",
        "b    0.00010001  漢字",
    ]


def test_a_narrow_table_drops_spare_columns_first_then_becomes_paragraphs_and_cuts_nothing() -> None:
    assert fitted(ROWS, 15, ("time",)) == ["key  value", "a    0.0001", "b    0.00010001"]
    assert fitted(ROWS, 14, ("time",)) == ["key a, value", "  0.0001", "key b, value", "  0.00010001"]
    long = fitted([("key",), ("x" * 50,)], 20)
    assert "".join(line.strip() for line in long).endswith("x" * 50)
    assert max(map(len, long)) <= 20


def test_lines_in_cells_do_not_break_a_table() -> None:
    assert fitted([("a", "b"), ("1\n2", "\x1b[2J")], 80) == ["a     b", r"1\n2  \x1b[2J"]


def test_columns_says_how_wide_a_pipe_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert terminal.console().width == 77
    monkeypatch.delenv("COLUMNS")
    assert terminal.console().width == terminal.WIDTH_ELSEWHERE
