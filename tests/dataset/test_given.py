"""Images of any program are read as they are, or refused with what was expected and got; zips within bounds."""

import io
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from ganexp.dataset import given, zipped
from ganexp.dataset.given import read_images
from ganexp.files.png import to_uint8
from ganexp.types.errors import DataError

GREY, RGB = (1, 6, 6), (3, 6, 6)


def pixels(count=5, shape=GREY):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def picture(image, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image.squeeze() if len(image) == 1 else image.transpose(1, 2, 0)).save(file, form, **options)
    return file.getvalue()


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def back(images):
    return to_uint8(torch.from_numpy(images.floats(np.arange(len(images)))))


def refusal(*arguments):
    with pytest.raises(DataError) as error:
        read_images(*arguments)
    assert "expected" in str(error.value) and "got" in str(error.value)
    return str(error.value)


EVERY = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)


@pytest.mark.parametrize(
    ("images", "value_range"),
    [
        (EVERY, None),
        (EVERY, (0, 255)),
        ((EVERY / 255).astype(np.float32), (0, 1)),
        ((EVERY / 255).astype(np.float16), (0, 1)),
        (EVERY / 127.5 - 1, (-1, 1)),
        ((EVERY / np.float32(127.5) - 1).astype(">f4"), (-1, 1)),
        (EVERY.astype(np.float64), (0, 255)),
        (torch.from_numpy(EVERY) / 255, (0, 1)),
    ],
)
def test_each_of_the_256_levels_is_scored_as_it_is(images, value_range):
    np.testing.assert_array_equal(back(read_images(images, (1, 8, 8), value_range)), EVERY)


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_every_layout_and_file_gives_the_same_images(tmp_path, shape):
    images = pixels(5, shape)
    layouts = [images, images.transpose(0, 2, 3, 1), *([images[:, 0]] if shape == GREY else [])]
    for number, layout in enumerate(layouts):
        np.save(tmp_path / f"{number}.npy", layout)
        np.savez_compressed(tmp_path / f"{number}.npz", arr_0=layout, arr_1=np.arange(5), z=np.ones((5, 100, 1, 1)))
        for source in (layout, tmp_path / f"{number}.npy", str(tmp_path / f"{number}.npz")):
            np.testing.assert_array_equal(back(read_images(source, shape)), images)
    (tmp_path / "pictures" / "deep" / "er").mkdir(parents=True)
    entries = {"a.png": 0, "b.png": 1, "deep/er/c.PNG": 2, "deep/er/d.bmp": 3, "e.png": 4}
    packed = {name: picture(images[i], "BMP" if name.endswith("bmp") else "PNG") for name, i in entries.items()}
    for name, content in packed.items():
        (tmp_path / "pictures" / name).write_bytes(content)
    others = {"__MACOSX/._a.png": b"x", ".hidden/x.png": b"x", "notes.txt": b"x", "deep/": b""}
    for source in (tmp_path / "pictures", write_zip(tmp_path / "p.zip", packed | others)):
        np.testing.assert_array_equal(np.sort(back(read_images(source, shape)), axis=0), np.sort(images, axis=0))


def test_grey_pictures_saved_as_rgb_are_grey(tmp_path):
    images = pixels()
    entries = {f"{i}.png": picture(np.repeat(image, 3, axis=0)) for i, image in enumerate(images)}
    np.testing.assert_array_equal(back(read_images(write_zip(tmp_path / "x.zip", entries), GREY)), images)
    assert "in colour (3 channels), got grey" in refusal(tmp_path / "x.zip", RGB)
    coloured = {f"{i}.png": picture(image) for i, image in enumerate(pixels(3, RGB))}
    assert "grey pictures (1 channel), got pictures in colour" in refusal(write_zip(tmp_path / "y.zip", coloured), GREY)


@pytest.mark.parametrize(
    ("images", "value_range", "words"),
    [
        (pixels().astype(np.int64), None, "int64"),
        (pixels(5, RGB), None, "(5, 3, 6, 6)"),
        (pixels(5, (1, 6, 7)), None, "(N, 1, 6, 6) or (N, 6, 6, 1) or (N, 6, 6)"),
        (pixels(1), None, "at least 2 images, got 1"),
        (pixels(0), None, "at least 2 images, got 0"),
        (pixels(), (0, 1), "expected the range 0,255 or none, as the images are uint8, got 0,1"),
        (pixels() / 255, None, "--range 0,1"),
        (pixels() / 255 - 0.5, (0, 1), "expected values in 0 .. 1, got -0.5"),
        (pixels() / 127.5, (0, 1), "expected values in 0 .. 1"),
        (np.full((3, *GREY), np.nan), (0, 1), "expected values in 0 .. 1, got NaN"),
        (np.where(np.arange(3)[:, None, None] == 1, np.inf, np.zeros((3, 6, 6))), (0, 1), "got 0 .. inf"),
    ],
)
def test_arrays_that_are_no_such_images(images, value_range, words):
    assert words in refusal(images, GREY, value_range)


def test_a_range_that_may_be_the_wrong_one_is_told(caplog):
    read_images(np.linspace(0, 1, 72).reshape(2, *GREY), GREY, (-1, 1))
    assert "all values lie in 0 .. 1, of -1 .. 1" in caplog.text


def test_arrays_in_an_npz(tmp_path):
    file = tmp_path / "x.npz"
    np.savez(file, real=pixels(), fake=pixels()[::-1], labels=np.arange(5))
    assert all(word in refusal(file, GREY) for word in ("real (5, 1, 6, 6)", "fake (5, 1, 6, 6)", "--array"))
    np.testing.assert_array_equal(back(read_images(file, GREY, None, "fake")), pixels()[::-1])
    assert "named 'z'" in refusal(file, GREY, None, "z")
    assert "(N, 6, 6, 3)" in refusal(file, RGB)
    assert "--array real: expected an .npz" in refusal(tmp_path / "x.npy", GREY, None, "real")
    np.savez(file, images=np.array([{}, {}], dtype=object))
    assert "images (2,)" in refusal(file, GREY)
    with zipfile.ZipFile(file, "w") as archive, archive.open("images.npy", "w") as member:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**9, *GREY)}
        np.lib.format.write_array_header_1_0(member, header)
    assert "bytes unpacked, got 36000000000" in refusal(file, GREY)


def test_folders_and_files_that_are_none(tmp_path):
    assert "got " + str(tmp_path / "x.tar") in refusal(tmp_path / "x.tar", GREY)
    assert "No such file" in refusal(tmp_path / "x.npy", GREY)
    assert "No such file" in refusal(tmp_path / "x.zip", GREY)
    assert "got 0 other files" in refusal(tmp_path, GREY)
    (tmp_path / "a.png").write_bytes(picture(pixels()[0]))
    (tmp_path / "b.png").write_bytes(picture(pixels(1, (1, 6, 9))[0]))
    assert "6 x 6 pixels, got 6 x 6, 6 x 9" in refusal(tmp_path, GREY)
    (tmp_path / "b.png").write_bytes(picture(pixels()[1])[:60])
    assert "b.png: expected a picture that can be read" in refusal(tmp_path, GREY)
    os.mkfifo(tmp_path / "pipe.zip")
    assert "no regular file" in refusal(tmp_path / "pipe.zip", GREY)


def test_names_that_are_not_utf8(tmp_path):
    images, folder = pixels(2), tmp_path / "folder"
    folder.mkdir()
    for name, image in zip((b"\xff.png", b"\xe9.png"), images, strict=True):
        (folder / os.fsdecode(name)).write_bytes(picture(image))
    assert len(read_images(folder, GREY)) == 2
    file = write_zip(tmp_path / "x.zip", {"aXa.png": picture(images[0]), "aYb.png": picture(images[1])})
    file.write_bytes(file.read_bytes().replace(b"aXa", b"a\xe9a").replace(b"aYb", b"a\xffb"))
    np.testing.assert_array_equal(np.sort(back(read_images(file, GREY)), 0), np.sort(images, 0))


def test_no_name_in_a_zip_is_a_path(tmp_path):
    names = ("../../evil.png", "/tmp/evil.png", "a/../../b.png", "twice.png")
    file = write_zip(tmp_path / "x.zip", {name: picture(pixels()[0]) for name in names})
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("twice.png", picture(pixels()[1]))
    assert len(read_images(file, GREY)) == 5
    assert [path.name for path in tmp_path.rglob("*")] == ["x.zip"]


def test_zip_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was unpacked"))
    zeros = write_zip(tmp_path / "zeros.zip", {"a.png": bytes(zipped.MOST_AT_ONCE + 1)})
    assert zeros.stat().st_size < 100_000
    assert f"a.png: expected at most {zipped.MOST_AT_ONCE} bytes unpacked" in refusal(zeros, GREY)
    many = write_zip(tmp_path / "many.zip", {f"{i}.png": bytes(1000) for i in range(100)})
    monkeypatch.setattr(zipped, "MOST_BYTES", 99_999)
    assert "pictures: expected at most 99999 bytes unpacked, got 100000" in refusal(many, GREY)
    monkeypatch.setattr(zipped, "MOST_AT_ONCE", 5000)
    assert "whose directory has 5000 bytes at most, got" in refusal(many, GREY)


def test_a_picture_that_is_a_bomb_is_not_decoded(tmp_path, monkeypatch):
    huge = picture(np.zeros((1, 4000, 4000), np.uint8))
    file = write_zip(tmp_path / "x.zip", {"a.png": huge, "b.png": picture(pixels()[0])})
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    assert "6 x 6 pixels, got 6 x 6, 4000 x 4000" in refusal(file, GREY)
    monkeypatch.setattr(given, "MOST_BYTES", 50)
    assert "expected at most 1 pictures" in refusal(file, GREY)


def test_damaged_zips(tmp_path):
    file = write_zip(tmp_path / "x.zip", {"a.png": picture(pixels()[0]), "b.png": picture(pixels()[1])})
    whole = file.read_bytes()
    for damaged in (b"", b"PK", whole[: len(whole) // 2], bytes(100)):
        file.write_bytes(damaged)
        assert "x.zip: expected a zip file that can be read, got BadZipFile" in refusal(file, GREY)
    directory = whole.index(b"PK\1\2")
    for offset, value in ((24, b"\1\0\0\0"), (8, b"\1\0"), (10, b"\x63\0")):  # its size, encryption, compression
        at = directory + offset
        file.write_bytes(whole[:at] + value + whole[at + len(value) :])
        refusal(file, GREY)
    write_zip(file, {"notes.txt": b"x", "sub/": b""})
    assert "a zip with 1 other files" in refusal(file, GREY)
