"""No picture starts a program: what Pillow would hand to Ghostscript and its like is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

import ganexp
from ganexp.dataset.picture import Reading, decoded, sizes_of
from ganexp.files.raster import FORMATS
from ganexp.logger.tensorboard_logger import tensorboard
from ganexp.report.figures.strips import whole
from ganexp.types.errors import DataError

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
WMF = b"\xd7\xcd\xc6\x9a\0\0" + bytes((0, 0, 0, 0, 8, 0, 8, 0, 96, 0)) + bytes(6) + b"\x01\0\x09\0" + bytes(60)

NO_RASTERS = {
    "EPS": EPS,
    "EPS behind a DOS header": b"\xc5\xd0\xd3\xc6" + (32).to_bytes(4, "little") + bytes(24) + EPS,
    "WMF": WMF,
    "EMF": b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    "FITS": b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800),
    "GRIB": b"GRIB\0\0\0\x01" + bytes(60),
    "BUFR": b"BUFR\0\0\0\x01" + bytes(60),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "MPEG": b"\0\0\x01\xb3\0\x80\x08" + bytes(60),
    "ImageMagick": b"push graphic-context\nviewbox 0 0 8 8\nimage over 0,0 0,0 '|touch x'\npop graphic-context\n",
    "XPM": b'/* XPM */\nstatic char *x[] = {\n"8 8 1 1",\n" c #000000",\n' + b'"        ",\n' * 8 + b"};\n",
}

PROGRAMS = ("gs", "gswin32c", "convert", "magick", "wmf2eps", "inkscape", "pdftoppm", "djpeg", "ppmtogif", "ppmquant")


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs that are first in PATH write their names when they are started."""
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\n')
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # Pillow looks for it once
    return tmp_path / "called"


@pytest.mark.parametrize("kind", NO_RASTERS)
def test_a_picture_that_is_a_program_is_refused_and_starts_none(kind: str, tmp_path: Path, called: Path) -> None:
    for end in ("png", "jpg", "tif"):
        path = tmp_path / f"epoch_0001.{end}"
        path.write_bytes(NO_RASTERS[kind])
        with pytest.raises(DataError, match=rf"epoch_0001\.{end}: expected a picture .*one of the formats .*PNG"):
            sizes_of([path])
        with pytest.raises(DataError, match=f"epoch_0001.{end}"):
            list(decoded([path], Reading(3), (8, 8), resize=True))
        assert whole(path, "x", "x") is None
    assert not called.exists()


def test_a_logger_does_not_open_it_either(tmp_path: Path, called: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "x.png").write_bytes(EPS)
    logger = tensorboard()
    logger.start(tmp_path, {}, "r", 0)
    logger.picture("samples", tmp_path / "x.png", 1)
    assert "logger=tensorboard failed" in caplog.text and not called.exists()
    logger.finish("COMPLETED")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_raster_format_is_decoded_without_a_program(kind: str, tmp_path: Path, called: Path) -> None:
    path = tmp_path / "x.png"  # the content counts, not the name
    Image.fromarray(np.full((8, 8, 3), 99, np.uint8)).save(path, format=kind)
    (block,) = decoded([path], Reading(3), (8, 8), resize=False)
    assert abs(block.astype(int) - 99).max() <= 3 and not called.exists()


def test_pictures_are_opened_in_one_place() -> None:
    package = Path(ganexp.__file__).parent
    opening = re.compile(r"Image\.open\(|imread\(|\.open\([^)]*formats|wandb\.Image\(str|read_image\(|PILImage")
    assert [p.name for p in package.rglob("*.py") if opening.search(p.read_text())] == ["raster.py"]
