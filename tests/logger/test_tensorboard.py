"""logger=tensorboard against the real package: what is written is read back with its own reader."""

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganexp.files.png import save_png
from ganexp.logger import tensorboard
from ganexp.types.errors import ConfigError


def row(epoch):
    return {"epoch": epoch, "step": 10 * epoch, "d_loss": 0.1 * epoch, "g_loss": 2.0, "d_real": None, "cfd": None}


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def test_rows_pictures_config_and_state_can_be_read_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (6, 9), dtype=np.uint8)
    save_png(tmp_path / "grid.png", picture)
    logger = tensorboard()
    logger.start(tmp_path, {"optim": {"lr": 1e-4}}, "deadbeef")
    for epoch in (1, 2):
        logger.log({**row(epoch), **({"cfd": 12.5} if epoch == 2 else {})}, 10 * epoch)
        logger.picture("samples", tmp_path / "grid.png", 10 * epoch)
    logger.finish("COMPLETED")
    events = read(tmp_path / "tensorboard")
    assert set(events.Tags()["scalars"]) == {"epoch", "d_loss", "g_loss", "cfd"}
    assert [(e.step, e.value) for e in events.Scalars("d_loss")] == [(10, pytest.approx(0.1)), (20, pytest.approx(0.2))]
    assert [(e.step, e.value) for e in events.Scalars("cfd")] == [(20, 12.5)]
    images = events.Images("samples")
    assert [image.step for image in images] == [10, 20]
    with Image.open(io.BytesIO(images[0].encoded_image_string)) as read_back:
        assert np.array_equal(np.asarray(read_back), np.stack([picture] * 3, axis=2))
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"run_id": "deadbeef"' in text
    assert '"lr": 0.0001' in text
    assert events.Tensors("state/text_summary")[0].tensor_proto.string_val == [b"COMPLETED"]


@pytest.mark.parametrize(("steps_done", "again"), [(20, (3, 4)), (20, (1, 2, 3, 4)), (0, (1, 2, 3, 4))])
def test_after_a_kill_every_row_is_there_once(tmp_path, steps_done, again):
    save_png(tmp_path / "grid.png", np.zeros((2, 2), np.uint8))
    killed = tensorboard()
    killed.start(tmp_path, {}, "deadbeef")
    for epoch in (1, 2, 3):  # the third row came after the checkpoint that the next attempt goes on from
        killed.log(row(epoch), 10 * epoch)
        killed.picture("samples", tmp_path / "grid.png", 10 * epoch)
    logger = tensorboard()
    logger.start(tmp_path, {}, "deadbeef", steps_done)
    for epoch in again:
        logger.log(row(epoch), 10 * epoch)
        logger.picture("samples", tmp_path / "grid.png", 10 * epoch)
    logger.finish("COMPLETED")
    events = read(tmp_path / "tensorboard")
    assert [e.step for e in events.Scalars("d_loss")] == [10, 20, 30, 40]
    assert [e.step for e in events.Images("samples")] == [10, 20, 30, 40]
    assert {e.step for e in events.Tensors("config/text_summary")} == {0}


def test_rows_are_on_disk_before_the_run_ends(tmp_path):
    logger = tensorboard(folder="events")
    logger.start(tmp_path, {}, "deadbeef")
    logger.log(row(1), 10)
    assert [e.step for e in read(tmp_path / "events").Scalars("d_loss")] == [10]


def test_a_folder_that_cannot_be_written_does_not_end_the_run(tmp_path, caplog):
    (tmp_path / "tensorboard").write_text("in the way")
    logger = tensorboard()
    logger.start(tmp_path, {}, "deadbeef")
    logger.log(row(1), 10)
    logger.finish("COMPLETED")
    assert caplog.text.count("logger=tensorboard failed") == 1


@pytest.mark.parametrize("folder", ["/tmp/elsewhere", "../elsewhere"])
def test_folders_outside_the_run_directory_are_refused(folder):
    with pytest.raises(ConfigError, match=r"logger.folder: expected a folder inside the run directory, got"):
        tensorboard(folder=folder)
