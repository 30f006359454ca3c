"""`ganexp sample`: the same images in every format, chosen latent vectors, labels by name, truncation."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ganexp.cli import app_of, main_of
from ganexp.sample import _write_folder
from ganexp.trainer import run
from ganexp.trainer.draw import draw
from helpers import TINY, make_spec


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A conditional run on pictures of three named classes."""
    top = tmp_path_factory.mktemp("named")
    for name in ("ant", "bee", "cat"):
        (top / "p" / name).mkdir(parents=True)
        for n in range(20):
            pixels = np.random.default_rng(n).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(top / "p" / name / f"{n}.png")
    own = ("dataset=image_folder", f"dataset.path={top}/p", "dataset.channels=1", "dataset.image_size=8")
    small = [text for text in TINY if "num_images" not in text]
    asked = make_spec(top, *small, *own, f"dataset.root={top}/root", "model.conditional=true", "trainer.epochs=1")
    return run.execute(asked).directory


def sample(*arguments):
    return CliRunner().invoke(app_of(main_of("sample")), [str(each) for each in arguments])


def test_every_format_holds_the_same_images(folder, tmp_path):
    for name in ("x.npy", "x.npz", "x"):
        done = sample(folder, "--num", 9, "--label", "bee", "--out", tmp_path / name)
        assert done.exit_code == 0, done.output
    images = np.load(tmp_path / "x.npy")
    packed = np.load(tmp_path / "x.npz")
    assert np.array_equal(packed["images"], images) and packed["labels"].tolist() == [1] * 9
    files = sorted((tmp_path / "x").iterdir())
    assert [path.name for path in files] == [f"{n:06d}.png" for n in range(9)]
    assert all(
        np.array_equal(np.asarray(Image.open(path)), image[0]) for path, image in zip(files, images, strict=True)
    )
    again = sample(folder, "--z", tmp_path / "x.npz", "--label", 1, "--out", tmp_path / "y.npy")
    assert again.exit_code == 0 and np.array_equal(np.load(tmp_path / "y.npy"), images)


def test_what_cannot_be_drawn_is_said(folder, tmp_path):
    np.save(tmp_path / "z.npy", np.zeros((3, 5)))
    for arguments, words in (
        (("--label", "bees"), "expected one of ant, bee, cat, got 'bees'. Did you mean 'bee'?"),
        (("--label", 3), "expected a class from 0 to 2, got 3"),
        (("--z", tmp_path / "z.npy"), "expected finite numbers of shape (N, 8), got float64 (3, 5)"),
        (("--z", tmp_path / "z.npy", "--num", 4), "--num: expected none, or the 3 of --z, got 4"),
        (("--interpolate", "--truncation", 0.5), "--interpolate: expected no --z and no --truncation"),
    ):
        refused = sample(folder, *arguments, "--out", tmp_path / "no.npy")
        assert refused.exit_code == 2 and words in " ".join(refused.output.split()), refused.output


def test_a_folder_of_other_files_is_never_replaced(folder, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    refused = sample(folder, "--out", out, "--force")
    assert refused.exit_code == 2 and (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").rename(out / "000070.png")
    assert sample(folder, "--num", 2, "--out", out, "--force").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["000000.png", "000001.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_truncation_keeps_z_within_its_bound_and_in_order(folder):
    whole, cut = (draw(folder, 40, seed=1, truncation=bound) for bound in (None, 0.7))
    assert np.abs(cut.z).max() <= 0.7 < np.abs(whole.z).max()
    assert np.array_equal(np.argsort(cut.z[:, 0]), np.argsort(whole.z[:, 0]))
    assert not np.array_equal(cut.images, whole.images)


def test_many_pictures_are_written_fast(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2000, 3, 32, 32), np.uint8)
    started = perf_counter()
    _write_folder(tmp_path / "many", images)
    assert perf_counter() - started < 20 and len(list((tmp_path / "many").iterdir())) == 2000
