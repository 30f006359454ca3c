"""`python -m ganexp.score` and `ganexp.score_images`: images of other programs, scored as a run's own are."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import ganexp
from ganexp.dataset import digits
from ganexp.dataset.given import read_images
from ganexp.metrics.reference import halve
from ganexp.score import _configuration, _metrics_of, _parse_range
from ganexp.types.errors import ConfigError, DataError

DCGAN = """
import sys
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
real = torch.from_numpy(load_digits().images[:512]).float()[:, None] / 8 - 1
real = nn.functional.interpolate(real, size=28, mode="bilinear")
g = nn.Sequential(
    nn.ConvTranspose2d(16, 32, 7), nn.BatchNorm2d(32), nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh(),
)
d = nn.Sequential(
    nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2),
    nn.Flatten(), nn.Linear(32 * 49, 1),
)
adam = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d)]
for step in range(8):
    batch, z = real[step * 64 : step * 64 + 64], torch.randn(64, 16, 1, 1)
    loss = nn.functional.softplus(-d(batch)).mean() + nn.functional.softplus(d(g(z).detach())).mean()
    adam[1].zero_grad(), loss.backward(), adam[1].step()
    loss = nn.functional.softplus(-d(g(z))).mean()
    adam[0].zero_grad(), loss.backward(), adam[0].step()
with torch.no_grad():
    samples = g(torch.randn(60, 16, 1, 1)).numpy()
np.save("samples.npy", samples)
Path("pictures").mkdir()
for number, image in enumerate(np.rint((samples[:, 0] + 1) * 127.5).astype(np.uint8)):
    Image.fromarray(image).save(f"pictures/{number:03d}.png")
"""


@pytest.fixture(autouse=True)
def root(data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return data_root


@pytest.fixture
def held_out(root):
    """Images of the digits' half A, 60 of them."""
    return halve(digits(root=root), 60).a


def refused(*arguments, **keywords):
    with pytest.raises((ConfigError, DataError)) as error:
        ganexp.score_images(*arguments, **keywords)
    return str(error.value)


def test_samples_of_a_dcgan_from_another_program(ganexp, tmp_path):
    (tmp_path / "dcgan.py").write_text(DCGAN)
    assert ganexp(module="dcgan").returncode == 0
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for file in sorted((tmp_path / "pictures").iterdir()):
            archive.write(file, f"samples/{file.name}")
    answers = []
    for words in (["samples.npy", "--range", "-1,1"], ["samples.npy", "--range=-1,1"], ["pictures"], ["pictures.zip"]):
        done = ganexp(*words, "--dataset", "digits", "--json", module="ganexp.score")
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert all(answer == answers[0] for answer in answers)
    assert list(answers[0]) == ["dataset", "num", "protocol", "metrics", "floors", "word"]
    assert (answers[0]["dataset"], answers[0]["num"]) == ("digits", 60)
    columns = {"cfd", "precision", "recall", "density", "coverage"}
    assert set(answers[0]["protocol"]) == columns
    assert set(answers[0]["metrics"]) == set(answers[0]["floors"]) == {*columns, "cfd_se"}
    assert answers[0]["metrics"]["cfd"] > 5 * answers[0]["floors"]["cfd"] > 0


def test_real_images_reach_the_floor(held_out):
    scores = ganexp.score_images(held_out, "digits")
    for part in ("metrics", "floors"):
        assert scores[part].pop("cfd_se") > 0  # that of the floor is of a draw with as many images of each label
    assert scores["metrics"] == pytest.approx(scores["floors"], rel=1e-6)
    half = ganexp.score_images(held_out, "digits", num_samples=30)
    assert half["num"] == 30 and half["protocol"] != scores["protocol"]


def test_a_folder_of_jpegs_and_its_table(ganexp, tmp_path, held_out):
    (tmp_path / "jpegs").mkdir()
    for number, image in enumerate(held_out):
        Image.fromarray(image[0]).convert("RGB").save(tmp_path / "jpegs" / f"{number:02d}.jpg", quality=95)
    (tmp_path / "jpegs" / "notes.txt").touch()
    done = ganexp("jpegs", "--dataset", "digits", "--num-samples", "40", "--metrics", "full", module="ganexp.score")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert lines[0] == ["metric", "value", "floor"]
    assert {"cfd", "memorization"} <= {name for name, *_ in lines}
    assert "reading 60 pictures of jpegs, 1 other files skipped" in done.stderr
    assert "scoring 40 of 60 images" in done.stderr
    assert "metric parzen_ll left out: it needs 10000 images that are not rounded to 8 bits" in done.stderr


def test_a_sorted_folder_is_not_scored_by_its_first_classes(root):
    data = digits(root=root)
    by_class = data.reference[np.argsort(data.reference_labels, kind="stable")]
    scores = ganexp.score_images(by_class, "digits", num_samples=200)
    first = ganexp.score_images(by_class[:200], "digits")
    assert scores["metrics"]["cfd"] < first["metrics"]["cfd"] / 5
    assert ganexp.score_images(by_class, "digits")["num"] == 449  # half B


def test_metrics_that_do_not_apply_are_left_out(held_out, caplog):
    caplog.set_level("INFO", logger="ganexp")
    floats = read_images(held_out / 255, (1, 28, 28), (0, 1))
    plain = {"cfd", "rfd", "precision", "recall", "density", "coverage"}
    assert set(_metrics_of(_configuration("digits", "conditional", ()), floats, 60)) == plain
    assert "metric label_accuracy left out: the images come without labels" in caplog.text
    many = replace(floats, pixels=np.broadcast_to(floats.pixels[:1], (10_000, 1, 28, 28)))
    full = _configuration("digits", "full", ())
    assert set(_metrics_of(full, many, 60)) - set(_metrics_of(full, floats, 60)) == {"parzen_ll"}


def test_refusals(held_out, tmp_path, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(tmp_path / "none"))
    assert "one of arrays, cifar10, cifar100, digits" in (words := refused(held_out, "mnits")) and "'mnist'" in words
    assert "one of conditional, default" in refused(held_out, "digits", metrics="cfd")
    assert "--metrics: expected metrics of images, got none" in refused(held_out, "digits", metrics="none")
    assert "--num-samples: expected 2 to 60" in refused(held_out, "digits", num_samples=61)
    assert "more than 5 images for density, got 4" in refused(held_out[:4], "digits")
    assert "trainer.epochs=3: expected a key of the dataset" in refused(held_out, overrides=["trainer.epochs=3"])
    assert "dataset.imagesize" in refused(held_out, overrides=["dataset.imagesize=3"])
    assert "(N, 3, 32, 32) or (N, 32, 32, 3), got shape (60, 1, 28, 28)" in refused(held_out, "cifar10")
    assert "(N, 1, 32, 32)" in refused(held_out, "mnist", overrides=["dataset.image_size=32"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("text", ["0", "1,0", "0,0", "0,1,2", "a,b", "0,inf", "nan,1", ""])
def test_ranges_that_are_none(text):
    with pytest.raises(ConfigError, match="expected two numbers"):
        _parse_range(text)
    assert _parse_range("-1,1") == (-1, 1)


def test_own_arrays_are_a_dataset_too(root, tmp_path, held_out):
    data = digits(root=root)
    np.save(tmp_path / "real.npy", data.train)
    np.save(tmp_path / "labels.npy", data.train_labels)
    keys = [f"dataset.images={tmp_path / 'real.npy'}", f"dataset.root={tmp_path}"]
    assert "(N, 1, 28, 28)" in refused(held_out[:, :, 1:], "arrays", overrides=keys)
    scores = ganexp.score_images(held_out, "arrays", overrides=keys)
    assert {"rfd", "recall"} <= set(scores["metrics"]) and "cfd" not in scores["metrics"]


def test_the_callers_hydra_and_logging_are_left_alone(held_out):
    from ganexp.config.hydra_private import GlobalHydra

    before = GlobalHydra.instance().hydra
    _configuration("digits", "default", ())
    assert GlobalHydra.instance().hydra is before


def test_the_exit_status_and_nothing_on_standard_output(ganexp, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 1, 28, 28)))
    done = ganexp("x.npy", "--dataset", "mnist", "--json", module="ganexp.score")
    assert (done.returncode, done.stdout) == (2, "")
    assert "x.npy: expected the range of floating images" in done.stderr and "Traceback" not in done.stderr


def test_help_needs_no_torch():
    code = (
        "import sys; sys.argv = ['score', '--help']\n"
        "import typer, ganexp.score\n"
        "try:\n    typer.run(ganexp.score.main)\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'numpy', 'hydra'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--num-samples" in done.stdout
