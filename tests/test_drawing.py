"""Pictures: drawn by matplotlib's own defaults, and never the end of a run or of a report."""

import json
import logging
import os
import shutil
import subprocess
import sys

import matplotlib
import pytest

from ganexp.files import png
from ganexp.files.checkpoint import load, save
from ganexp.files.drawing import decoration, default_style, drawn
from ganexp.files.run_folder import RunFolder
from ganexp.report import write_report
from ganexp.trainer import figures, run
from ganexp.types.endings import State
from helpers import TINY, make_spec

BACKENDS = ("module://matplotlib_inline.backend_inline", "nonsense")


def test_settings_of_the_user_do_not_reach_a_picture(tmp_path):
    rows = [{"epoch": 1, "d_loss": 1.0, "g_loss": 2.0}]

    def bytes_of(name):
        with default_style():
            figures.losses_figure(tmp_path / name, rows, 0)
        return (tmp_path / name).read_bytes()

    plain = bytes_of("a.png")
    own = {"lines.linewidth": 9, "axes.facecolor": "red", "font.family": "no such font", "text.usetex": True}
    with matplotlib.rc_context(own):
        assert bytes_of("b.png") == plain
        assert matplotlib.rcParams["axes.facecolor"] == "red"


def test_a_figure_that_cannot_be_drawn_costs_a_warning(caplog):
    with caplog.at_level(logging.WARNING, "ganexp"):
        assert drawn(lambda: 1 / 0) is None
        with decoration("losses.png"):
            raise OSError("no space")
    assert "not drawn (ZeroDivisionError" in caplog.text
    assert "losses.png: not drawn (OSError: no space)" in caplog.text


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_at_the_pictures_alone_leaves_a_finished_run(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    scored = [text for text in TINY if text != "metrics=none"]
    monkeypatch.setattr(png, "save_grid", full)
    monkeypatch.setattr(figures, "losses_figure", full)
    monkeypatch.setattr("ganexp.files.run_folder._link", full)
    done = run.execute(make_spec(tmp_path, *scored, "metrics.num_samples=48", "metrics.pictures=true"))
    assert done.state is State.COMPLETED
    assert json.loads((done.directory / "result.json").read_text())["final"]["cfd"] > 0
    assert not list(done.directory.rglob("*.png"))


def test_scores_are_written_before_anything_is_drawn(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))

    def killed(path, *_):
        assert (path.parent / "result.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "losses_figure", killed)
    with pytest.raises(KeyboardInterrupt):
        run.execute(make_spec(tmp_path, *TINY))


def test_a_report_is_written_without_its_figures(recorded, monkeypatch):
    sweep = recorded("grid")
    shutil.rmtree(sweep / "figures")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    assert "cfd" in write_report([sweep]).read_text()
    assert not list((sweep / "figures").glob("*.svg"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_matplotlib_is_imported_whatever_its_settings(tmp_path, backend):
    settings = tmp_path / "settings" / "matplotlibrc"
    settings.parent.mkdir()
    settings.write_bytes(b"\xff\xfe broken")
    code = (
        "from ganexp.files.drawing import default_style; from ganexp.trainer.figures import losses_figure\n"
        "with default_style(): losses_figure('x.png', [{'epoch': 1, 'd_loss': 1.0, 'g_loss': 1.0}], 0)\n"
        "import os; print(os.environ['MPLBACKEND'], os.environ['MATPLOTLIBRC'])"
    )
    env = {**os.environ, "MPLBACKEND": backend, "MATPLOTLIBRC": str(settings)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend, str(settings)]
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", [(), ("--multirun", "hydra/launcher=basic"), ("--multirun", "hydra/launcher=joblib")])
def test_runs_and_reports_under_any_backend(new_python, tmp_path, backend, how):
    seeds = "seed=0,1" if how else "seed=0"
    place = "hydra.sweep.dir=s" if how else "hydra.run.dir=s"
    done = new_python(*how, "experiment=debug", "trainer.epochs=1", seeds, place, env={"MPLBACKEND": backend})
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(path.stat().st_size > 1000 for path in (tmp_path / "s").rglob("losses.png"))
    assert not how or (tmp_path / "s" / "figures" / "r0-losses.svg").exists()


def test_equal_content_is_equal_bytes_and_any_order_is_read(tmp_path, data_root, monkeypatch, no_losses_figure):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    files = []
    for place in "abc":
        done = run.execute(make_spec(tmp_path / place, *TINY, "trainer.epochs=1"))
        files.append(RunFolder(done.directory).generator_checkpoint(1).read_bytes())
    assert len(set(files)) == 1
    tensors, meta = load(RunFolder(done.directory).generator_checkpoint(1))
    for number in range(8):
        save(tmp_path / f"{number}.safetensors", tensors, {**meta, "name": 'é\x7f\n"\\\u2028'})
    assert len({path.read_bytes() for path in tmp_path.glob("?.safetensors")}) == 1
    assert load(tmp_path / "0.safetensors")[1]["name"] == 'é\x7f\n"\\\u2028'
