"""The metrics of a run's generators, and their columns in metrics.csv, whose values are all of one protocol."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.config.run_config import RunConfig
from ganexp.files import checkpoint
from ganexp.files.checkpoint import CorruptCheckpointError
from ganexp.files.generator import kept_generators, load_generator
from ganexp.files.record import Row, merged, metric_of
from ganexp.files.run_folder import RunFolder
from ganexp.trainer.build import reseed_for_own_code
from ganexp.trainer.sampling import GeneratorSampler
from ganexp.types import Scores
from ganexp.types.terminal import count

if TYPE_CHECKING:
    from ganexp.metrics import Evaluator
    from ganexp.trainer.hooks import Session

log = logging.getLogger("ganexp")


@dataclass(frozen=True)
class Drawn:
    """The metrics of a run's generator, as it was after `epoch`, of two draws of its images.

    Draw A has the latent vectors and labels of `sample`, draw B others.
    """

    evaluator: Evaluator | None  # None: nothing is measured
    config: RunConfig
    sample: GeneratorSampler
    epoch: int

    def curve(self) -> Scores:
        """What metrics.csv has: draw A, on both halves of the reference."""
        if self.evaluator is None:
            return Scores({})
        reseed_for_own_code(self.config, self.sample.device, "scores", self.epoch)
        return self.evaluator.evaluate(self.sample)

    def reported(self, curve: Scores | None = None) -> Scores:
        """What result.json has: draw B on half B, draw A on half A. `curve` is what `curve()` gave, if known."""
        if self.evaluator is None:
            return Scores({})
        curve = curve or self.curve()
        reseed_for_own_code(self.config, self.sample.device, "scores of draw B", self.epoch)
        return self.evaluator.report(self.sample.redrawn(), curve)


def of_other_protocol(rows: Sequence[Row], measured: Mapping[str, Any], evaluator: Evaluator) -> list[str]:
    """The columns of `evaluator` whose metrics have values in `rows` that were made by another protocol.

    `measured` is the provenance of the values in `rows`. Columns of metrics that the evaluator does not have are never
    among them.
    """
    from ganexp.metrics import is_present

    present, there = evaluator.provenance["protocol"], {name for row in rows for name in row}
    metrics = {metric_of(column, present) for column in evaluator.columns if column in there}
    changed = {name for name in metrics if name and not is_present(measured, evaluator.provenance, name)}
    return [column for column in evaluator.columns if metric_of(column, present) in changed]


def replaced(rows: Sequence[Row], columns: Sequence[str], scores: Mapping[int, Mapping[str, float]]) -> list[Row]:
    """`rows` with `columns` from `scores` (epoch -> column -> value), empty at epochs that have none."""
    return [{**row, **{name: scores.get(int(row["epoch"] or 0), {}).get(name) for name in columns}} for row in rows]


def scores_of_kept(
    folder: RunFolder, rows: Sequence[Row], score: Callable[[int, Path], Mapping[str, float]]
) -> dict[int, Mapping[str, float]]:
    """Epoch -> scores, of the epochs in `rows` whose generator `folder` has kept; damaged ones are left out."""
    scores: dict[int, Mapping[str, float]] = {}
    for epoch, path in sorted(kept_generators(folder, rows).items()):
        try:
            scores[epoch] = score(epoch, path)
        except CorruptCheckpointError as error:
            log.warning("%s; its epoch is not scored", error)
    return scores


def measured_in(folder: RunFolder) -> dict[str, Any]:
    """The provenance of the values in a run's metrics.csv; {} where none is recorded, which stands for protocol 1."""
    result = folder.finished_result()
    if result is not None:
        provenance = result.get("provenance", {})
        unsettled = dict.fromkeys(provenance.get("unsettled", ()), "")
        return merged(provenance.get("metrics", {}), {"protocol": unsettled})
    for path in folder.state_checkpoints():
        try:
            return dict(checkpoint.load(path)[1].get("measured", {}))
        except CorruptCheckpointError:
            continue
    return {}


def settle(session: Session, folder: RunFolder, measured: Mapping[str, Any]) -> None:
    """Score the session's history anew where another protocol made it, by the generators in `folder`; else empty it.

    The history comes from `folder`, with the provenance `measured`. Afterwards `session.measured` is that of all of it.
    """
    evaluator, rows = session.evaluator, session.training.history
    if evaluator is None or not any(row.get(name) is not None for row in rows for name in evaluator.metrics):
        session.measured = merged(measured, evaluator.provenance if evaluator is not None else {})
        return
    evaluator.prepare()
    session.measured = merged(measured, evaluator.provenance)
    columns = of_other_protocol(rows, measured, evaluator)
    if not columns:
        return

    def score(epoch: int, path: Path) -> Mapping[str, float]:
        generator = load_generator(copy.deepcopy(session.training.sampling_generator), path)
        return session.drawn(generator, epoch).curve().values

    scores = scores_of_kept(folder, rows, score)
    lost = [row for row in rows if row["epoch"] not in scores and any(row.get(name) is not None for name in columns)]
    session.training.history = replaced(rows, columns, scores)
    anew = f"scored again at epochs {', '.join(map(str, scores))}" if scores else "no generator is kept"
    text = f"{', '.join(columns)}: values of another protocol; {anew}"
    log.warning("%s: %s", session.spec.directory, f"{text}, emptied at {count(len(lost), 'other')}" if lost else text)
