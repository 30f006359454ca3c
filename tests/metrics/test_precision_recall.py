import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganexp.metrics import coverage, density, precision, precision_recall, recall
from ganexp.metrics.metric import ImageSet, Metric, ScoringContext
from ganexp.types.errors import DataError, Diverged


def score(metric: Metric, real: Tensor, fake: Tensor) -> float:
    """A metric of this module between two clouds of features."""

    class Cloud(ImageSet):
        def __init__(self, points: Tensor) -> None:
            super().__init__(points.numpy())
            self.points = points

    class Context(ScoringContext):
        def features(self, images: ImageSet) -> Tensor:
            assert isinstance(images, Cloud)
            return images.points

    clouds = Cloud(fake), Cloud(real), Cloud(real), Cloud(real)
    return float(metric.compute(Context(*clouds, dataset=None, unquantised=None)))  # type: ignore[arg-type]


def brute_force(real: Tensor, fake: Tensor, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density, coverage by loops over points, from the formulas of the package `prdc` 0.2."""

    def radius(points: Tensor, i: int) -> float:
        others = sorted(float((points[i] - points[j]).norm()) for j in range(len(points)) if j != i)
        return others[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, j) for j in range(len(fake))]
    distance = [[float((r - f).norm()) for f in fake] for r in real]
    inside = [[distance[i][j] < real_radii[i] for j in range(len(fake))] for i in range(len(real))]
    precise = sum(any(row[j] for row in inside) for j in range(len(fake))) / len(fake)
    recalled = sum(any(distance[i][j] < fake_radii[j] for j in range(len(fake))) for i in range(len(real))) / len(real)
    return precise, recalled, sum(map(sum, inside)) / (k * len(fake)), sum(map(any, inside)) / len(real)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_to_brute_force_on_200_points(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision_recall, "BLOCK", 64)  # the last block is not full
    random = torch.Generator().manual_seed(k)
    real = torch.randn(100, 4, generator=random, dtype=torch.float64)
    fake = torch.randn(100, 4, generator=random, dtype=torch.float64) * 0.7 + 0.5
    found = [score(metric(k=k), real, fake) for metric in (precision, recall, density, coverage)]
    assert found == pytest.approx(list(brute_force(real, fake, k)), abs=1e-12)


def test_equal_gaussians_have_density_one_and_the_coverage_of_the_closed_form() -> None:
    # Naeem et al. 2020, section 3.2: E[coverage] = 1 - (N-1)...(N-k) / ((M+N-1)...(M+N-k)); E[density] = 1.
    n, k = 2000, 5
    random = torch.Generator().manual_seed(0)
    real, fake = torch.randn(n, 64, generator=random), torch.randn(n, 64, generator=random)
    expected = 1.0
    for i in range(1, k + 1):
        expected *= (n - i) / (2 * n - i)
    assert score(coverage(k=k), real, fake) == pytest.approx(1 - expected, abs=0.02)
    assert score(density(k=k), real, fake) == pytest.approx(1.0, abs=0.25)


def test_dropped_modes_cost_recall_and_noise_costs_precision() -> None:
    random = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0], [100.0, 100.0]])
    real = centres.repeat(50, 1) + torch.randn(200, 2, generator=random)
    collapsed = centres[:1].repeat(200, 1) + torch.randn(200, 2, generator=random)
    spread = torch.rand(200, 2, generator=random) * 300 - 100
    assert score(recall(), real, collapsed) < 0.3 < 0.9 < score(precision(), real, collapsed)
    assert score(precision(), real, spread) < 0.1
    assert score(coverage(), real, collapsed) < 0.3


def test_a_set_scored_against_itself() -> None:
    points = torch.randn(300, 8)
    assert score(precision(), points, points) == score(recall(), points, points) == 1.0
    assert score(coverage(), points, points) == 1.0


def grids(size: int) -> st.SearchStrategy[Tensor]:
    """Points with small whole coordinates: many are equal, and many pairs are equally far apart."""
    row = st.lists(st.integers(0, 2), min_size=2, max_size=2)
    return st.lists(row, min_size=size, max_size=size).map(lambda rows: torch.tensor(rows, dtype=torch.float64))


@settings(deadline=None, max_examples=50)
@given(real=grids(9), fake=grids(9), k=st.integers(1, 4), offset=st.sampled_from([0.0, 1e-3, 1000.1]))
def test_ties_are_decided_as_by_prdc(real: Tensor, fake: Tensor, k: int, offset: float) -> None:
    found = [score(metric(k=k), real + offset, fake + offset) for metric in (precision, recall, density, coverage)]
    assert found == pytest.approx(list(brute_force(real, fake, k)), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(points=grids(9), k=st.integers(1, 4))
def test_identical_sets_are_scored_as_by_prdc(points: Tensor, k: int) -> None:
    found = [score(metric(k=k), points, points.clone()) for metric in (precision, recall, density, coverage)]
    assert found == pytest.approx(list(brute_force(points, points, k)), abs=1e-12)


def test_identical_sets_have_density_one() -> None:
    points = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    assert score(density(k=5), points, points.clone()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("metric", [precision, recall, density, coverage])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_features_that_are_not_finite_are_refused(metric: Callable[[], Metric], value: float) -> None:
    good = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    bad = good.clone()
    bad[7, 2] = value
    for real, fake in ((good, bad), (bad, good)):
        with pytest.raises(Diverged, match="expected finite ones, got NaN or infinite"):
            score(metric(), real, fake)


def test_one_image_repeated_is_no_manifold() -> None:
    real, repeated = torch.randn(100, 8), torch.ones(100, 8)
    assert score(recall(), real, repeated) == 0.0
    assert score(recall(), torch.cat([repeated[:50], real[:50]]), repeated) == 0.0


def test_needs_more_images_than_neighbours() -> None:
    with pytest.raises(DataError, match="expected more than k=3 images, got 3"):
        score(precision(k=3), torch.randn(3, 4), torch.randn(3, 4))


def test_nearest_finds_positions_and_distances() -> None:
    points, others = torch.tensor([[0.0], [9.0], [4.9]]), torch.tensor([[5.0], [-1.0], [10.0]])
    squares, positions = precision_recall.nearest(points, others)
    assert positions.tolist() == [1, 2, 0]
    assert squares.tolist() == pytest.approx([1.0, 1.0, 0.01], rel=1e-5)


def test_ten_thousand_against_ten_thousand_stays_far_below_one_gigabyte(
    ganexp: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    code = """
import resource, torch
from ganexp.metrics import precision_recall
torch.set_num_threads(1)
points, others = torch.randn(10_000, 4), torch.randn(10_000, 4)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
radii = precision_recall.squared_radii(others, 5)
precision_recall.share_of_balls_hit(points[:2000], others, radii)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    (tmp_path / "program.py").write_text(code)
    done = ganexp(module="program")
    assert int(done.stdout) < 600_000  # KiB; the whole matrix alone takes 800,000
