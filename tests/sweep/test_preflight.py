"""What a sweep makes ready before its first job."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ganexp.sweep import preflight
from ganexp.sweep.points import Point
from ganexp.types.errors import ConfigError, DataError

MakePoints = Callable[..., list[Point]]


def test_conditional_models_pass(make_points: MakePoints) -> None:
    points = make_points(("model.conditional=true", "seed=0"), ("model.conditional=true", "seed=1"), keys=("seed",))
    preflight.check_metrics(points, ("seed",))


def test_metrics_are_made_ready_once_for_each_choice_and_name_the_point(
    make_points: MakePoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refusing(config: object, dataset: object) -> None:
        asked.append(1)
        if len(asked) > 1:
            raise DataError("no weights")

    monkeypatch.setattr(preflight, "evaluator_for", refusing)
    points = make_points(*((f"metrics.num_samples={number}",) for number in (8, 8, 9)))
    with pytest.raises(ConfigError, match="nothing was started; num_samples=9: no weights"):
        preflight.check_metrics(points, ("metrics.num_samples",))
    assert len(asked) == 2
