"""A GIF of a run."""

from __future__ import annotations

import pytest
from PIL import Image
from typer.testing import CliRunner

from ganexp.animate import _padded, main
from ganexp.cli import app_of
from ganexp.trainer import run
from helpers import TINY, make_spec


def test_a_lower_frame_is_padded_not_stretched():
    frame = _padded(Image.new("L", (40, 10), 0), (40, 30)).convert("L")
    assert frame.size == (40, 30) and frame.crop((0, 0, 40, 10)).getextrema() == (0, 0)
    assert frame.crop((0, 10, 40, 30)).getextrema() == (255, 255)


def test_epochs_and_a_walk(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    done = run.execute(make_spec(tmp_path, *TINY, "trainer.epochs=2"))
    program, out = CliRunner(), done.directory / "samples" / "animation.gif"
    answer = program.invoke(app_of(main), [str(done.directory)])
    assert answer.exit_code == 0, answer.output
    with Image.open(out) as picture:
        assert picture.n_frames >= 2 + 10 and picture.width == 256
    before = out.read_bytes()
    assert program.invoke(app_of(main), [str(done.directory)]).exit_code == 2  # never replaced unasked
    assert out.read_bytes() == before
    assert program.invoke(app_of(main), [str(done.directory), "--force"]).exit_code == 0
    for checkpoint in (done.directory / "checkpoints").iterdir():
        checkpoint.unlink()
    answer = program.invoke(app_of(main), [str(done.directory), "--force"])  # the epochs alone
    assert answer.exit_code == 0 and "without a walk" in answer.output, answer.output
    with Image.open(out) as picture:
        assert picture.n_frames == 2
    for name in ("x.mp4", "nowhere/x.gif"):
        assert program.invoke(app_of(main), [str(done.directory), "--out", str(tmp_path / name)]).exit_code == 2
    with pytest.raises(FileNotFoundError):
        (tmp_path / "x.mp4").read_bytes()
