"""A GIF of a run."""

from __future__ import annotations

import pytest
from PIL import Image
from typer.testing import CliRunner

from ganexp.animate import main
from ganexp.cli import app_of
from ganexp.trainer import run
from helpers import TINY, make_spec


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
    for name in ("x.mp4", "nowhere/x.gif"):
        assert program.invoke(app_of(main), [str(done.directory), "--out", str(tmp_path / name)]).exit_code == 2
    with pytest.raises(FileNotFoundError):
        (tmp_path / "x.mp4").read_bytes()
