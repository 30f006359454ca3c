"""Pictures cut from the runs' own sample grids: real beside fake, and the same z along training."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ganexp.files.foreign import MEDIUM, open_file, read_bytes
from ganexp.files.png import READABLE_PIXELS
from ganexp.files.raster import open_raster
from ganexp.files.run_folder import RunFolder
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.runs import RunRecord

SETTINGS = 24  # settings whose pictures are shown
MOMENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # epochs of the columns, where a run has them, and its last
MOST_PIXELS = 70_000_000  # of a picture that is opened: 8 x 8 images of the largest size
MOST_SIDE = 4200  # of a picture of the page, in pixels; larger ones are scaled down

ANIMATION_BYTES = 1_500_000

PADDING = 2
ACROSS, DOWN = 4, 2
GAP = 1  # pixels between the images of a sheet
FIRST = 6  # single images on the first screen


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    name: str  # of its file, without suffix
    alt: str  # what it shows
    png: bytes  # its content
    width: int  # in pixels
    kind: str = "png"

    @property
    def inline(self) -> str:
        """As a data URI."""
        return f"data:image/{self.kind};base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Strip:
    """One setting's pictures."""

    standing: Standing  # the setting
    run: RunRecord  # whose pictures they are
    epochs: tuple[int, ...]  # of the columns
    real: Picture | None  # real images, or None
    cells: tuple[Picture, ...]  # one picture per column


def strips(ranking: Ranking, name: str) -> list[Strip]:
    """Pictures of the best settings, best first; the first finished seed of each, whatever it looks like."""
    result = []
    for number, standing in enumerate(ranking.standings[:SETTINGS]):
        cells = dict(sorted(by_epoch(standing.lead, f"{name}-{number}")))
        real = _sheet(RunFolder(standing.lead.folder).picture("real"), standing.lead, f"{name}-{number}-real")
        if cells:
            result.append(Strip(standing, standing.lead, tuple(cells), real, tuple(cells.values())))
    return result


def by_epoch(run: RunRecord, name: str = "") -> list[tuple[int, Picture]]:
    """(epoch, the first images after it), its last epoch first and then the others from the first one on."""
    epochs = [*([run.done] if run.done else []), *(epoch for epoch in MOMENTS if epoch < run.done)]
    sheets = ((epoch, _sheet(RunFolder(run.folder).samples_png(epoch), run, f"{name}-{epoch}")) for epoch in epochs)
    return [(epoch, sheet) for epoch, sheet in sheets if sheet is not None]


def real_images(ranking: Ranking) -> Picture | None:
    """The first real images of a ranking's data set, of the first run that has drawn them."""
    for run in (run for standing in ranking.standings for run in standing.runs):
        if sheet := _sheet(RunFolder(run.folder).picture("real"), run, "real"):
            return sheet
    return None


def first_images(run: RunRecord, epoch: int | None, name: str) -> list[Picture]:
    """The first FIRST single images after an epoch, or real ones where that is None; [] where there is no grid."""
    files = RunFolder(run.folder)
    cells = _cells(files.picture("real") if epoch is None else files.samples_png(epoch), run, FIRST, 1)
    return [_picture(cell, f"{name}: image {number}") for number, cell in enumerate(cells, 1)]


def whole(path: Path, name: str, alt: str) -> Picture | None:
    """A picture as it is, or None where there is none."""
    image = opened_picture(path)
    return None if image is None else _picture(image, alt, name)


def animation(run: RunRecord) -> Picture | None:
    """The run's animation as `ganexp animate` writes it, encoded anew; None where there is none, or a large one."""
    path = run.folder / "samples" / "animation.gif"
    try:
        if path.parent.is_symlink():
            return None
        with open_raster(io.BytesIO(read_bytes(path, ANIMATION_BYTES)), ("GIF",)) as image:
            count = getattr(image, "n_frames", 1)
            if image.width * image.height * count > MOST_PIXELS:
                return None
            frames, times = [], []
            for number in range(count):
                image.seek(number)
                frames.append(image.convert("RGB").quantize(32))
                times.append(int(image.info.get("duration", 100)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    alt = "the same z through the epochs, then a walk"
    return Picture("", alt, data.getvalue(), frames[0].width, "gif") if data.tell() <= ANIMATION_BYTES else None


def joined(strip: Strip, gap: int = 6) -> bytes:
    """Real images and all columns of a strip side by side, as one PNG."""
    parts = [picture.png for picture in (strip.real, *strip.cells) if picture is not None]
    images = [open_raster(io.BytesIO(png)) for png in parts]
    sheet = Image.new("RGB", (sum(i.width + gap for i in images) - gap, max(i.height for i in images)), "white")
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    return _png(sheet)


def _sheet(path: Path, run: RunRecord, name: str) -> Picture | None:
    """The first ACROSS x DOWN images of a grid, at their own size where the grid scaled them up."""
    cells = _cells(path, run, ACROSS, DOWN)
    if not cells:
        return None
    (width, height), across = cells[0].size, min(ACROSS, len(cells))
    sheet = Image.new(
        cells[0].mode, (across * (width + GAP) - GAP, -(-len(cells) // across) * (height + GAP) - GAP), "white"
    )
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % across * (width + GAP), number // across * (height + GAP)))
    return _picture(sheet, "", name)


def _cells(path: Path, run: RunRecord, across: int, down: int) -> list[Image.Image]:
    """The first single images of a grid, row by row; the whole picture where it is no grid."""
    size, image = run.values.get("dataset.image_size"), opened_picture(path)
    if image is None:
        return []
    if not isinstance(size, int) or size < 1:
        return [image]
    scale = max(1, READABLE_PIXELS // size)
    pitch = size * scale + PADDING
    columns, rows = (
        min(most, (side - PADDING) // pitch) for most, side in ((across, image.width), (down, image.height))
    )
    corners = [(PADDING + column * pitch, PADDING + row * pitch) for row in range(rows) for column in range(columns)]
    crops = [image.crop((left, top, left + size * scale, top + size * scale)) for left, top in corners]
    return [crop.resize((size, size), Image.Resampling.NEAREST) for crop in crops] or [image]


def opened_picture(path: Path) -> Image.Image | None:
    """A run's own picture, or None: only PNG, of a bounded size, and nothing that a link leads to."""
    try:
        if path.parent.is_symlink():
            return None
        with warnings.catch_warnings(), open_file(path, MEDIUM) as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with open_raster(file, ("PNG",)) as image:
                if image.width * image.height > MOST_PIXELS:
                    return None
                return image.convert("RGB") if image.mode not in ("L", "RGB") else image.copy()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def _picture(image: Image.Image, alt: str, name: str = "") -> Picture:
    image.thumbnail((MOST_SIDE, MOST_SIDE))
    return Picture(name, alt, _png(image), image.width)


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG", optimize=True)
    return data.getvalue()
