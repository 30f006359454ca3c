from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ganexp.sweep.expand import axes, check_size, points, swept_keys
from ganexp.types.errors import ConfigError


def expand(*texts: str, pairs: list[list[str]] | None = None) -> list[tuple[str, ...]]:
    return list(points(axes(OverridesParser.create().parse_overrides(list(texts)), pairs or [])))


def test_every_combination_in_the_order_of_the_command_line() -> None:
    assert expand("a=1,2", "b=x", "c=range(0,2)") == [
        ("a=1", "b=x", "c=0"),
        ("a=1", "b=x", "c=1"),
        ("a=2", "b=x", "c=0"),
        ("a=2", "b=x", "c=1"),
    ]


def test_constants_are_passed_on_as_they_were_typed() -> None:
    typed = ("~a", "+b=[1,2]", "c='x,y'", "++d={k: 1}", "e=null")
    assert expand(*typed) == [typed]


def test_lists_are_values_not_sweeps_and_keep_their_form() -> None:
    assert expand("betas=[0.5,0.9],[0,0.99]") == [("betas=[0.5,0.9]",), ("betas=[0,0.99]",)]


def test_the_last_of_two_overrides_counts() -> None:
    assert expand("a=1,2", "b=1", "a=3") == [("a=3", "b=1")]


def test_pairs_go_in_step_and_are_crossed_with_the_rest() -> None:
    grid = expand("a=1,2", "c=5,6", "b=x,y", pairs=[["a", "b"]])
    assert grid == [("a=1", "c=5", "b=x"), ("a=1", "c=6", "b=x"), ("a=2", "c=5", "b=y"), ("a=2", "c=6", "b=y")]


def test_two_groups_of_pairs() -> None:
    grid = expand("a=1,2", "b=1,2", "c=1,2,3", "d=1,2,3", pairs=[["a", "b"], ["c", "d"]])
    assert len(grid) == 6
    assert all(a[2:] == b[2:] and c[2:] == d[2:] for a, b, c, d in grid)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([["a", "b"]], "a has 2, b has 3"),
        ([["a", "constant"]], "got 'constant'"),
        ([["a", "aa"]], "got 'aa'. Did you mean 'a'?"),
        ([["a"]], "two or more different keys"),
        ([["a", "c"], ["c", "b"]], "stand in no other pair"),
    ],
)
def test_pairs_that_cannot_be_made_are_refused(pairs: list[list[str]], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        expand("a=1,2", "b=1,2,3", "c=4,5", "constant=1", pairs=pairs)
    assert told in str(error.value)
    assert "sweep.zip[" in str(error.value)


def test_an_interval_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ConfigError, match=r"lr: expected a list.*interval\(0, 1\).*sweep=tune"):
        expand("lr=interval(0, 1)")


def test_swept_keys_are_those_with_more_than_one_value() -> None:
    grid = axes(OverridesParser.create().parse_overrides(["a=1,2", "b=1", "c=choice(3)", "d=4,5"]), [])
    assert swept_keys(grid) == ("a", "d")


@pytest.mark.parametrize(
    "text",
    [
        "a=range(0,100000000)",
        "a=range(0,1,1e-9)",
        "a=range(0,3,0)",
        "a=range(inf)",
        "a=range(0,nan)",
        "a=range(0,-1e9,-1)",
    ],
)
def test_endless_and_enormous_ranges_are_refused_before_they_are_gone_through(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a: expected (a range of finite numbers|at most 100,000 values)"):
        expand(text)


def test_a_grid_of_more_points_than_anybody_could_run_is_refused() -> None:
    grid = axes(OverridesParser.create().parse_overrides(["a=range(1000)", "b=range(101)", "c=1"]))
    with pytest.raises(ConfigError, match="at most 100,000 runs, got 101,000: a has 1,000, b has 101"):
        check_size(grid)
    check_size(axes(OverridesParser.create().parse_overrides(["a=range(1000)", "b=range(100)"])))
