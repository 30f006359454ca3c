"""The end of a run: the generator, the result and the final pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganexp.config.run_spec import RunSpec
from ganexp.files import png
from ganexp.files.drawing import decoration, default_style
from ganexp.files.foreign import folder_below
from ganexp.files.png import to_uint8
from ganexp.files.record import Row
from ganexp.trainer.build import reseed_for_own_code
from ganexp.trainer.sampling import STEPS, GeneratorSampler, interpolations

if TYPE_CHECKING:
    from ganexp.metrics import Evaluator
    from ganexp.trainer.hooks import Session

CLOSER = ("interpolation", "neighbours")  # pictures drawn at the end where `metrics.pictures` is set
CLOSER_ROWS = 6  # rows of those pictures


def finish(session: Session, read_off: str | None = None) -> dict[str, Any]:
    """Write everything that a finished run leaves; returns the content of result.json.

    The last epoch must be in the session's history. `read_off` names the longer run that this one was read off; None:
    it was trained.
    """
    spec, rows = session.spec, session.training.history
    epoch = int(rows[-1]["epoch"] or 0)
    session.save_generator(epoch)
    with session.naming(epoch):
        scores = session.drawn(session.training.sampling_generator, epoch).reported(session.scores(epoch))
        result = {**session.result(spec, rows, scores), "read_off": read_off}
        result |= {"trouble": session.trouble} if session.trouble else {}
        spec.folder.write_result(result)
        late = {name: value for name, value in result["final"].items() if rows[-1].get(name) is None}
        session.logger.log(late, session.training.step)  # where the last epoch is not of the cadence, its scores
        if not spec.folder.samples_png(epoch).exists():
            session.draw_samples(epoch)
    draw_losses(spec, rows)
    if spec.config.metrics.pictures and session.evaluator is not None:
        draw_closer(spec, session.evaluator, session.sample, epoch)
    session.prunes(result["final"])
    return result


def draw_real(spec: RunSpec) -> None:
    """samples/real.png: the first training images."""
    path = spec.folder.picture("real")
    if path.exists():
        return
    folder_below(spec.directory, "samples")
    with decoration(path):
        png.save_grid(path, np.array(spec.dataset.train[: spec.config.trainer.sample_images]))


def draw_losses(spec: RunSpec, rows: Sequence[Row]) -> None:
    """losses.png."""
    from ganexp.trainer.figures import losses_figure

    warmup = int(spec.config.loss.params.get("warmup_epochs", 0))
    path = spec.directory / "losses.png"
    with decoration(path), default_style():
        losses_figure(path, rows, warmup)


def draw_closer(spec: RunSpec, evaluator: Evaluator, sample: GeneratorSampler, epoch: int) -> None:
    """samples/interpolation.png; samples/neighbours.png: generated images, each left of its nearest training image."""
    from ganexp.metrics import nearest_neighbours

    reseed_for_own_code(spec.config, sample.device, "closer", epoch)
    folder_below(spec.directory, "samples")
    interpolation, neighbours = (spec.folder.picture(name) for name in CLOSER)
    with decoration(interpolation):
        png.save_grid(interpolation, to_uint8(interpolations(sample, CLOSER_ROWS)), STEPS)
    with decoration(neighbours):
        generated, nearest = nearest_neighbours(evaluator, sample, CLOSER_ROWS * STEPS // 2)
        pairs = np.stack((generated, nearest), axis=1).reshape(-1, *generated.shape[1:])
        png.save_grid(neighbours, pairs, STEPS)
