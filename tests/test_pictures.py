"""Pictures: quantisation, grids, the loss figure, spherical interpolation."""

import math
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from ganexp.files.png import grid, save_grid, save_png, to_uint8
from ganexp.trainer.figures import LOG_4, losses_figure
from ganexp.trainer.sampling import slerp
from ganexp.types.errors import Diverged


def row(epoch, **values):
    base = {"epoch": epoch, "step": 10 * epoch, "images_seen": 320 * epoch, "train_seconds": 1.5 * epoch}
    return {**base, "d_loss": 0.1 * epoch, "g_loss": 8 / epoch, "d_heldout": None, "d_generated": None, **values}


def rows_with_probabilities(epochs):
    columns = {"d_real": 0.9, "d_fake": 0.1, "d_heldout": 0.8, "d_generated": 0.2, "d_near_half": 0.05}
    return [row(epoch, **columns) for epoch in range(1, epochs + 1)]


# --- to_uint8


def test_every_8_bit_value_survives_the_way_to_floats_and_back():
    values = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    images = torch.from_numpy(values).float() / 127.5 - 1
    assert np.array_equal(to_uint8(images), values)


@pytest.mark.parametrize(
    ("value", "pixel"),
    [(-1.0, 0), (1.0, 255), (0.0, 128), (-7.0, 0), (9.0, 255), (-1 + 1.4 / 127.5, 1), (-1 + 1.6 / 127.5, 2)],
)
def test_quantisation_rounds_and_clamps(value, pixel):
    assert to_uint8(torch.full((1, 1, 1, 1), value)).item() == pixel


def test_quantisation_keeps_its_input_and_takes_half_precision():
    images = torch.tensor([0.5, -0.5], requires_grad=True).reshape(1, 2, 1, 1)
    before = images.clone()
    assert to_uint8(images).tolist() == [[[[191]], [[64]]]]
    assert torch.equal(images, before)
    assert to_uint8(images.bfloat16()).dtype == np.uint8


@pytest.mark.parametrize("images", [torch.zeros(3, 4, 4), torch.zeros(1, 3, 4, 4, dtype=torch.uint8)])
def test_quantisation_refuses_other_shapes_and_types(images):
    with pytest.raises(ValueError, match="expected floating images"):
        to_uint8(images)


def test_quantisation_of_nan_is_divergence():
    images = torch.zeros(2, 1, 2, 2)
    images[1, 0, 1, 1] = math.nan
    with pytest.raises(Diverged, match="NaN"):
        to_uint8(images)


# --- grid


def test_grid_layout_is_exact():
    images = np.arange(1, 4, dtype=np.uint8).reshape(3, 1, 1, 1)
    expected = [
        [255, 255, 255, 255, 255],
        [255, 1, 255, 2, 255],
        [255, 255, 255, 255, 255],
        [255, 3, 255, 255, 255],
        [255, 255, 255, 255, 255],
    ]
    assert grid(images, columns=2, padding=1)[:, :, 0].tolist() == expected


def test_grid_scales_by_repeating_pixels_and_keeps_colours():
    images = np.zeros((1, 3, 1, 2), np.uint8)
    images[0, :, 0, 0] = (10, 20, 30)
    picture = grid(images, columns=8, scale=3, padding=0)
    assert picture.shape == (3, 6, 3)
    assert (picture[:, :3] == (10, 20, 30)).all()
    assert (picture[:, 3:] == 0).all()


@pytest.mark.parametrize(
    ("images", "columns"),
    [
        (np.zeros((2, 1, 4, 4), np.float32), 2),
        (np.zeros((0, 1, 4, 4), np.uint8), 2),
        (np.zeros((2, 2, 4, 4), np.uint8), 2),
        (np.zeros((1, 4, 4), np.uint8), 2),
        (np.zeros((2, 1, 4, 4), np.uint8), 0),
    ],
)
def test_grid_says_what_it_expected(images, columns):
    with pytest.raises(ValueError, match=r"expected .* got"):
        grid(images, columns)


def test_grid_of_64_small_images_takes_under_10_ms():
    images = np.random.default_rng(0).integers(0, 256, (64, 1, 28, 28), dtype=np.uint8)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        grid(images, columns=8, scale=2)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.01


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_png_holds_the_pixels_the_same_bytes_each_time_and_nothing_else_is_left(tmp_path, shape):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "x.png"
    save_png(path, array)
    first = path.read_bytes()
    save_png(path, array)
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture).reshape(shape), array)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64, 1, 28, 28), (8 * 58 + 2, 8 * 58 + 2)),
        ((10, 3, 32, 32), (8 * 66 + 2, 2 * 66 + 2)),
        ((2, 3, 64, 64), (2 * 66 + 2, 66 + 2)),
        ((1, 1, 8, 8), (68, 68)),
    ],
)
def test_saved_grids_are_scaled_to_be_readable(tmp_path, shape, size):
    save_grid(tmp_path / "x.png", np.zeros(shape, np.uint8))
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == size
        assert picture.mode == ("L" if shape[1] == 1 else "RGB")


# --- losses_figure


@pytest.fixture
def figures(monkeypatch):
    """The figures that get saved."""
    saved = []
    save = Figure.savefig

    def remember(self, *args, **kwargs):
        saved.append(self)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)
    return saved


def labels(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_figure_shows_losses_the_equilibrium_and_the_end_of_the_warm_up(tmp_path, figures):
    losses_figure(tmp_path / "losses.png", rows_with_probabilities(8), warmup_epochs=5)
    left, right = figures[0].axes
    lines = labels(left)
    assert set(lines) == {"discriminator", "generator", "log 4 (equilibrium)", "warm-up ends (epoch 5)"}
    assert list(lines["discriminator"].get_ydata()) == pytest.approx([0.1 * epoch for epoch in range(1, 9)])
    assert list(lines["generator"].get_xdata()) == list(range(1, 9))
    assert set(lines["log 4 (equilibrium)"].get_ydata()) == {LOG_4} == {math.log(4)}
    assert set(lines["warm-up ends (epoch 5)"].get_xdata()) == {5.5}
    right_lines = labels(right)
    assert set(right_lines["0.5 (equilibrium)"].get_ydata()) == {0.5}
    assert {line.get_ydata()[0] for line in right_lines.values()} == {0.9, 0.8, 0.2, 0.05, 0.5}


@pytest.mark.parametrize(("warmup_epochs", "epochs"), [(0, 8), (5, 5), (5, 3)])
def test_no_warm_up_line_before_training_has_gone_past_it(tmp_path, figures, warmup_epochs, epochs):
    losses_figure(tmp_path / "losses.png", rows_with_probabilities(epochs), warmup_epochs)
    assert not any("warm-up" in label for label in labels(figures[0].axes[0]))


def test_without_probabilities_there_is_one_panel_and_no_equilibrium(tmp_path, figures):
    losses_figure(tmp_path / "losses.png", [row(1), row(2)], 0)
    (axes,) = figures[0].axes
    assert set(labels(axes)) == {"discriminator", "generator"}


def test_epochs_without_a_value_leave_a_gap(tmp_path, figures):
    rows = rows_with_probabilities(3)
    rows[1]["d_heldout"] = None
    del rows[1]["d_real"]
    losses_figure(tmp_path / "losses.png", rows, 0)
    lines = labels(figures[0].axes[1])
    assert np.isnan(lines["real, held-out"].get_ydata()).tolist() == [False, True, False]
    assert np.isnan(lines["real, training (train mode)"].get_ydata()).tolist() == [False, True, False]


@pytest.mark.parametrize("epochs", [1, 40])
def test_nothing_overlaps(tmp_path, figures, epochs):
    losses_figure(tmp_path / "losses.png", rows_with_probabilities(epochs), 5)
    figure = figures[0]
    boxes = []
    for axes in figure.axes:
        legend = axes.get_legend().get_window_extent()
        assert not legend.overlaps(axes.get_window_extent())
        assert not legend.overlaps(axes.xaxis.label.get_window_extent())
        boxes += [legend, axes.get_tightbbox(bbox_extra_artists=[])]
    width, height = figure.bbox.size
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert not boxes[0].overlaps(boxes[2])
    assert not boxes[1].overlaps(boxes[3])


def test_figure_has_the_same_bytes_each_time_and_no_metadata(tmp_path):
    losses_figure(tmp_path / "a.png", rows_with_probabilities(6), 5)
    losses_figure(tmp_path / "b.png", rows_with_probabilities(6), 5)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert set(picture.info) <= {"dpi"}
    assert len(list(tmp_path.iterdir())) == 2


def test_figure_of_no_epochs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one epoch"):
        losses_figure(tmp_path / "losses.png", [], 0)


def test_neither_torch_nor_pyplot_is_imported(tmp_path):
    code = f"""
import sys
from ganexp.trainer.figures import losses_figure
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
losses_figure({str(tmp_path / "losses.png")!r}, [{{"epoch": 1, "d_loss": 1.0, "g_loss": 1.0}}], 0)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# --- slerp


def test_slerp_of_orthogonal_vectors_is_a_rotation():
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    t = torch.linspace(0, 1, 5).unsqueeze(1)
    angle = t * math.pi / 2
    expected = torch.cat([angle.cos(), angle.sin(), torch.zeros(5, 1)], dim=1)
    assert torch.allclose(slerp(a, b, t), expected, atol=1e-6)


def test_slerp_keeps_the_length_and_steps_by_equal_angles():
    a, b = torch.randn(2, 6, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    b = b / b.norm(dim=1, keepdim=True) * a.norm(dim=1, keepdim=True)
    path = torch.stack([slerp(a, b, t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)])
    assert torch.allclose(path.norm(dim=2), a.norm(dim=1).expand(5, 6))
    cosines = torch.nn.functional.cosine_similarity(path[1:], path[:-1], dim=2)
    assert torch.allclose(cosines, cosines[0].expand(4, 6))


def test_slerp_ends_at_both_vectors_whatever_their_lengths():
    a, b = torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 0.2])
    assert torch.allclose(slerp(a, b, 0.0), a)
    assert torch.allclose(slerp(a, b, 1.0), b, atol=1e-6)


@pytest.mark.parametrize("b", [[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]])
def test_slerp_is_the_straight_line_where_there_is_no_circle(b):
    a, b = torch.tensor([1.0, 2.0]), torch.tensor(b)
    assert torch.allclose(slerp(a, b, 0.25), 0.75 * a + 0.25 * b)


def test_slerp_handles_degenerate_pairs_within_a_batch():
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    middle = slerp(a, b, 0.5)
    assert torch.allclose(middle, torch.tensor([[1.0, 0.0], [0.5**0.5, 0.5**0.5]]))


def test_slerp_of_nearly_parallel_vectors_is_exact():
    angle = 1e-4
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([math.cos(angle), math.sin(angle)])
    assert slerp(a, b, 0.5)[1].item() == pytest.approx(angle / 2, rel=1e-3)
