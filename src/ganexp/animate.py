"""`ganexp animate RUN_DIR`: the same z through the epochs, then a walk through latent space, as a GIF."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import Trust, reporting, start
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import plain, say

if TYPE_CHECKING:
    from PIL.Image import Image

ACROSS = 4  # images of the walk in a row and in a column
WIDTH = 256  # pixels of a frame, about
EPOCH_MS, LAST_MS, STEP_MS = 300, 1500, 90  # how long a frame stands
TITLE = 16  # pixels above a frame for its words

OUT = "The .gif; if left out RUN_DIR/samples/animation.gif, which the report's page shows."


def main(
    run_dir: Annotated[Path, typer.Argument(help="The run.", metavar="RUN_DIR")],
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    seed: Annotated[int, typer.Option(help="Which walk.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    trust: Trust = None,
) -> None:
    """Animate a run: its sample pictures by epoch, and a walk through the latent space of its generator."""
    from ganexp.files.atomic import replacing
    from ganexp.files.foreign import folder_below
    from ganexp.opened import open_run

    with reporting(options=True):
        run = open_run(run_dir)
        path = out or run_dir / "samples" / "animation.gif"
        if path.suffix != ".gif":
            raise DirectoryError(f"--out: expected a file that ends in .gif, got {path}")
        if os.path.lexists(path) and not force:
            raise DirectoryError(f"{path}: exists; --force replaces it")
        if out is None:
            folder_below(run_dir, "samples")
        elif not path.parent.is_dir():
            raise DirectoryError(f"--out: expected an existing folder, got {path.parent}")
        epochs = [(_titled(image, f"epoch {epoch}"), EPOCH_MS) for epoch, image in _by_epoch(run.pictures)]
        epochs[-1:] = [(frame, LAST_MS) for frame, _ in epochs[-1:]]
        walk = []
        try:
            walk = [(_titled(image, "between latent vectors"), STEP_MS) for image in _walk(run_dir, seed, trust or [])]
        except DirectoryError as error:
            if not epochs:
                raise
            say(plain(f"without a walk: {error}"))
        frames, times = zip(*epochs, *walk, strict=True)
        size = frames[0].width, max(frame.height for frame in frames)
        first, *others = [_padded(frame, size) for frame in frames]
        with replacing(path) as temporary:
            first.save(temporary, "GIF", save_all=True, append_images=others, duration=list(times), loop=0)
        say(plain(f"{path}: {len(epochs)} epochs, {len(walk)} steps of a walk, {path.stat().st_size / 1e6:.1f} MB"))


def _by_epoch(paths: list[Path]) -> Iterator[tuple[int, Image]]:
    from ganexp.files.run_folder import number_in
    from ganexp.report.figures.strips import opened_picture

    for path in paths:
        if (image := opened_picture(path)) is not None:
            yield number_in(path), image


def _walk(run_dir: Path, seed: int, trust: list[str]) -> Iterator[Image]:
    """ACROSS x ACROSS walks side by side, there and back."""
    from PIL import Image

    from ganexp.files.png import grid
    from ganexp.trainer.draw import sample
    from ganexp.trainer.sampling import STEPS

    rows = ACROSS * ACROSS
    images = sample(run_dir, rows, interpolate=True, seed=seed, trust=trust)
    steps = images.reshape(rows, STEPS, *images.shape[1:])
    for step in (*range(STEPS), *range(STEPS - 2, 0, -1)):
        pixels = grid(steps[:, step], ACROSS, 2)
        yield Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _padded(frame: Image, size: tuple[int, int]) -> Image:
    """A frame with white below it."""
    from PIL import Image

    if frame.size == size:
        return frame
    whole = Image.new("RGB", size, "white")
    whole.paste(frame.convert("RGB"), (0, 0))
    return whole.quantize(32)


def _titled(image: Image, words: str) -> Image:
    """A picture at about WIDTH pixels, its words above it."""
    from PIL import Image, ImageDraw

    factor = WIDTH / image.width
    size = (WIDTH, max(1, round(image.height * factor)))
    scaled = image.convert("RGB").resize(size, Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX)
    frame = Image.new("RGB", (WIDTH, scaled.height + TITLE), "white")
    frame.paste(scaled, (0, TITLE))
    ImageDraw.Draw(frame).text((3, 2), words, fill="black")
    return frame.quantize(32)


if __name__ == "__main__":
    start(main)
