"""The points of a sweep: composed, validated and identified, all of them before the first one starts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ganexp.config.mistakes import composition_message
from ganexp.config.run_config import RunConfig, from_plain
from ganexp.config.run_spec import identify, load_dataset
from ganexp.files.plan import PlannedRun, short
from ganexp.sweep.compose import Composer
from ganexp.trainer.compatible import check_together
from ganexp.types.errors import ConfigError, DataError, Senseless
from ganexp.types.nested import dotted, json_values
from ganexp.types.terminal import say, ticking

SHOWN_ERRORS = 5  # distinct errors printed in full; the rest are counted
WORDED_ERRORS = 50  # distinct errors whose message is made, which is slow for unknown keys
NO_VALUES = ("sweep", "trust", "notes", "trainer.milestones")  # keys that are not recorded, nor any below them


@dataclass(frozen=True)
class Point(PlannedRun):
    """One run that was asked for, and what a sweep must know to make it."""

    config: RunConfig
    milestones: tuple[int, ...]  # epochs whose generators the user wants kept
    shareable: bool  # ends at an epoch, so that a longer run of its trajectory passes it
    images_per_epoch: int  # real images drawn in an epoch; a reused batch counts once
    own_code: str = ""  # sources of own code, as `sweep.own_code` takes them; "" where there is none

    @property
    def planned(self) -> list[str]:
        """Overrides by which its job checks that nothing changed since it was planned."""
        return [f"sweep.run_id='{self.run_id}'", *([f"sweep.own_code='{self.own_code}'"] if self.own_code else [])]

    def setting(self, keys: Sequence[str]) -> str:
        """The overrides of some keys, for display; "" where there are none."""
        return short(telling(self.overrides, keys))

    @property
    def weight(self) -> float:
        """A guess at the relative cost of the run, for the order of jobs only: work per step, times steps.

        A step has a fixed cost, taken as that of 32 images.
        """
        batch, d_steps = self.values["trainer.batch_size"], self.values["trainer.d_steps"]
        images = self.images_per_epoch / (d_steps if self.values["trainer.real_batch"] == "fresh" else 1)
        return float(self.epochs * math.ceil(images / batch) * (batch + 32) * (d_steps + 1))


def all_points(
    composer: Composer, grid: Sequence[tuple[str, ...]], swept: Sequence[str], *, skip_refused: bool = False
) -> list[Point]:
    """Compose, validate and identify every point of `grid`; equal runs appear as often as they were asked for.

    With `skip_refused`, points whose values make no sense together are left out, which is said, while others remain.

    Raises:
        ConfigError, DataError: at least one point is not acceptable; says which and why.
    """
    points: list[Point] = []
    problems: dict[str, tuple[Exception, list[int]]] = {}
    for number, overrides in enumerate(ticking(grid, "points composed")):
        try:
            points.append(_point(*composer.plain(overrides), overrides))
        except (ConfigError, DataError, HydraException, OmegaConfBaseException) as error:
            problems.setdefault(f"{error} {error.__cause__}", (error, []))[1].append(number)
    if problems:
        lines = _explain(problems.values(), grid, swept)
        others = points and all(isinstance(error, Senseless) for error, _ in problems.values())
        if not (skip_refused and others):
            only_data = all(isinstance(error, DataError) for error, _ in problems.values())
            hint = f" (sweep.skip_refused=true makes the other {len(points)} of {len(grid)} points)" if others else ""
            raise (DataError if only_data else ConfigError)("\n".join([f"nothing was started{hint};", *lines]))
        left_out = f"left out (sweep.skip_refused=true): {len(grid) - len(points)} of {len(grid)} points"
        say("\n".join([left_out, *lines]))
    return points


def telling(overrides: Sequence[str], keys: Sequence[str]) -> list[str]:
    """The overrides of some keys."""
    return [text for text in overrides if text.partition("=")[0] in keys]


def _point(plain: Mapping[str, Any], choices: Mapping[str, str | None], overrides: tuple[str, ...]) -> Point:
    config = from_plain(plain)
    identity = identify(config)
    try:
        check_together(config)
    except (ConfigError, DataError) as error:
        raise Senseless(str(error)) from error
    trainer = config.trainer
    images = len(load_dataset(config.dataset).train)
    return Point(
        run_id=identity.run_id,
        trajectory_id=identity.trajectory_id,
        run_dir=identity.name,
        epochs=trainer.epochs,
        overrides=overrides,
        values=_values(plain, choices, config, identity.dataset_name),
        config=config,
        milestones=tuple(trainer.milestones),
        shareable=trainer.max_steps is None and trainer.max_seconds is None,
        images_per_epoch=images * (trainer.d_steps if trainer.real_batch == "fresh" else 1),
    )


def _values(
    plain: Mapping[str, Any], choices: Mapping[str, str | None], config: RunConfig, dataset_name: str
) -> dict[str, Any]:
    flat = {
        key: value
        for key, value in json_values(dotted(plain)).items()
        if not any(key == banned or key.startswith(f"{banned}.") for banned in NO_VALUES)
    }
    chosen = {group: option for group, option in choices.items() if group not in NO_VALUES}
    return {**chosen, **flat, "dataset": dataset_name, "lr": config.lr}


def _explain(
    problems: Iterable[tuple[Exception, Sequence[int]]], grid: Sequence[tuple[str, ...]], swept: Sequence[str]
) -> list[str]:
    grouped: dict[str, list[int]] = {}
    for error, numbers in islice(problems, WORDED_ERRORS):
        refused = isinstance(error, ConfigError | DataError)
        grouped.setdefault(str(error) if refused else composition_message(error), []).extend(numbers)
    lines = []
    for message, numbers in islice(grouped.items(), SHOWN_ERRORS):
        more = "" if len(numbers) == 1 else f" and {len(numbers) - 1} more"
        setting = " ".join(telling(grid[numbers[0]], swept)) or "the only one"
        lines.append(f"point {numbers[0] + 1} of {len(grid)} ({setting}){more}: {message}")
    if len(grouped) > SHOWN_ERRORS:
        lines.append(f"... and {len(grouped) - SHOWN_ERRORS} other errors")
    return lines
