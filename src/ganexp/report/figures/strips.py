"""Pictures cut from the runs' own sample grids: real beside fake, and the same z along training."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ganexp.files.foreign import MEDIUM, open_file
from ganexp.files.png import READABLE_PIXELS
from ganexp.files.raster import open_raster
from ganexp.files.run_folder import RunFolder
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.runs import RunRecord

SETTINGS = 24  # settings whose pictures are shown
MOMENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # epochs of the columns, where a run has them, and its last
MOST_PIXELS = 70_000_000  # of a picture that is opened: 8 x 8 images of the largest size
MOST_SIDE = 4200  # of a picture of the page, in pixels; larger ones are scaled down

PADDING = 2
ACROSS, DOWN = 4, 2


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    name: str  # of its file, without suffix
    alt: str  # what it shows
    png: bytes  # its content
    width: int  # in pixels

    @property
    def inline(self) -> str:
        """As a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


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
        run, files = standing.lead, RunFolder(standing.lead.folder)
        cells = {}
        for epoch in sorted({*(epoch for epoch in MOMENTS if epoch <= run.done), *([run.done] if run.done else [])}):
            alt = f"{standing.name}: samples after epoch {epoch}"
            if cell := _cut(files.samples_png(epoch), run, f"{name}-{number}-{epoch}", alt):
                cells[epoch] = cell
        real = _cut(files.picture("real"), run, f"{name}-{number}-real", f"real images of {run.dataset}")
        if cells:
            result.append(Strip(standing, run, tuple(cells), real, tuple(cells.values())))
    return result


def whole(path: Path, name: str, alt: str) -> Picture | None:
    """A picture as it is, or None where there is none."""
    image = _opened(path)
    return None if image is None else _picture(image, name, alt)


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


def _cut(path: Path, run: RunRecord, name: str, alt: str) -> Picture | None:
    """The first ACROSS x DOWN images of a grid, at their own size where the grid scaled them up."""
    size = run.values.get("dataset.image_size")
    image = _opened(path)
    if image is None:
        return None
    if not isinstance(size, int) or size < 1:
        return _picture(image, name, alt)
    scale = max(1, READABLE_PIXELS // size)
    pitch = size * scale + PADDING
    columns = min(ACROSS, (image.width - PADDING) // pitch)
    rows = min(DOWN, (image.height - PADDING) // pitch)
    if columns < 1 or rows < 1:
        return _picture(image, name, alt)
    gap = 1
    sheet = Image.new(image.mode, (columns * (size + gap) - gap, rows * (size + gap) - gap), "white")
    for row in range(rows):
        for column in range(columns):
            left, top = PADDING + column * pitch, PADDING + row * pitch
            cell = image.crop((left, top, left + size * scale, top + size * scale))
            sheet.paste(
                cell.resize((size, size), Image.Resampling.NEAREST), (column * (size + gap), row * (size + gap))
            )
    return _picture(sheet, name, alt)


def _opened(path: Path) -> Image.Image | None:
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


def _picture(image: Image.Image, name: str, alt: str) -> Picture:
    image.thumbnail((MOST_SIDE, MOST_SIDE))
    return Picture(name, alt, _png(image), image.width)


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG", optimize=True)
    return data.getvalue()
