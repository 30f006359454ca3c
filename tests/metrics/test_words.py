import subprocess
import sys
from typing import Any

import pytest

from ganexp.metrics import words
from ganexp.metrics.words import BAD, COLLAPSED, NEAR, NOISE, READABLE, REAL, word

PROTOCOL: dict[str, Any] = {"metrics": {"cfd": {"version": 2}, "rfd": {"version": 2}}}
BLURRED = {"extractors": {"classifier": {"test_accuracy": 0.68}}}
ALL = {"cfd": 0.5, "rfd": 0.5, "precision": 0.8, "recall": 0.8}


def said(
    objective: str = "cfd", *, above: float, recall: float = 1.0, precision: float = 1.0, num: int = 5000
) -> str | None:
    """The word for so many floors of 5,000 images above the floor, and shares of the others' floors."""
    distance, measured = 0.5 * (1 + above * num / 5000), {"num_samples": num, **PROTOCOL}
    return word(objective, {objective: distance, "precision": 0.8 * precision, "recall": 0.8 * recall}, ALL, measured)


def test_words_get_worse_as_the_distance_grows_and_their_bounds_belong_to_the_better_one() -> None:
    bounds = (-1.0, words.REAL_MOST - 1, words.REAL_MOST - 0.99, words.NEAR_MOST, words.NEAR_MOST + 0.01)
    bounds += (words.READABLE_MOST, words.READABLE_MOST + 0.01)
    expected = [REAL, REAL, NEAR, NEAR, READABLE, READABLE, NOISE]
    assert [said(above=above) for above in bounds] == expected


def test_with_fewer_images_fewer_floors_mean_the_same() -> None:
    assert said(above=10, num=5000) == NEAR  # 11 floors
    assert said(above=10, num=450) == REAL  # the same distance is 1.9 floors there
    assert said(above=16, num=450) == said(above=16, num=60) == READABLE


@pytest.mark.parametrize("above", [0.0, 10.0, 100.0])
def test_few_shapes_and_noise_are_told_apart_by_precision_whatever_the_distance(above: float) -> None:
    assert said(above=above, recall=0.04) == said(above=above, recall=0.0, precision=0.41) == COLLAPSED
    assert said(above=above, recall=0.0, precision=0.39) == NOISE
    assert said(above=above, recall=0.06, precision=0.0) not in BAD
    assert said(above=1e4, recall=0.0) == NOISE


@pytest.mark.parametrize(
    ("objective", "measured"),
    [("rfd", PROTOCOL), ("cfd", {**PROTOCOL, "extractors": {"classifier": {"test_accuracy": 0.68}}})],
)
def test_features_that_see_little_say_no_more_than_readable_but_of_real_images(
    objective: str, measured: dict[str, Any]
) -> None:
    floors = {objective: 0.5}
    found = [word(objective, {objective: 0.5 * ratio}, floors, measured) for ratio in (0.9, 1.1, 1.2, 10, 400, 600)]
    assert found == [REAL, REAL, READABLE, READABLE, READABLE, NOISE]


def test_without_recall_the_distance_alone_speaks() -> None:
    assert word("cfd", {"cfd": 0.1}, {"cfd": 0.1}, PROTOCOL) == REAL


@pytest.mark.parametrize(
    ("objective", "values", "floors"),
    [
        (None, {}, {}),
        ("fid", {"fid": 3.0}, {"fid": 1.0}),
        ("cfd", {}, {"cfd": 1.0}),
        ("cfd", {"cfd": 1.0}, {}),
        ("cfd", {"cfd": 1.0}, {"cfd": 0.0}),
    ],
)
def test_nothing_is_said_without_bounds_a_value_or_a_floor(
    objective: str | None, values: dict[str, float], floors: dict[str, float]
) -> None:
    assert word(objective, values, floors, PROTOCOL) is None


def test_nothing_is_said_of_another_protocol() -> None:
    for other in ({}, {"metrics": {"cfd": {"version": 1}}}, {"metrics": {"cfd": {"version": 3}}}):
        assert word("cfd", {"cfd": 0.1}, {"cfd": 0.1}, other) is None


def test_reading_words_imports_no_torch() -> None:
    code = "import sys, ganexp.metrics.words; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
