"""Opening pictures: only raster formats that Pillow decodes itself, so that no picture starts a program.

Pillow goes by a file's content: with all its formats allowed, it runs Ghostscript on PostScript, and other programs on
metafiles.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


def open_raster(file: Path | BinaryIO, formats: tuple[str, ...] = FORMATS) -> Image:
    """A picture, not decoded yet; a context manager that closes it.

    `formats` names the formats of Pillow's that its content may have, whatever its file name.

    Raises:
        OSError: it cannot be read, or is of no such format.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"no picture in one of the formats {', '.join(formats)}") from None
