import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from ganexp.metrics.cfd_fid import Gaussian, fit, frechet_distance
from ganexp.types.errors import DataError, Diverged

RANDOM = np.random.RandomState(0)


def with_moments(count: int, mean: np.ndarray, covariance: np.ndarray) -> torch.Tensor:
    """Points whose sample mean and N - 1 covariance are exactly the given ones."""
    points = RANDOM.normal(size=(count, len(mean)))
    points -= points.mean(axis=0)
    whitening = np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(points.T))).T)
    points = points @ whitening @ np.linalg.cholesky(covariance).T
    return torch.from_numpy(points + mean)


def closed_form(m1: np.ndarray, c1: np.ndarray, m2: np.ndarray, c2: np.ndarray) -> float:
    return float(((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * scipy.linalg.sqrtm(c1 @ c2).real))


def random_covariance(dim: int) -> np.ndarray:
    a = RANDOM.normal(size=(dim, dim))
    return a @ a.T + 0.1 * np.eye(dim)


def test_one_dimension_by_hand() -> None:
    a, b = with_moments(100, np.array([1.0]), np.array([[4.0]])), with_moments(50, np.array([4.0]), np.array([[9.0]]))
    assert frechet_distance(fit(a), fit(b)) == pytest.approx(3.0**2 + (2 - 3) ** 2, abs=1e-12)


def test_covariances_that_commute_by_hand() -> None:
    a = with_moments(200, np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    b = with_moments(300, np.array([1.0, 2.0, 2.0]), np.diag([4.0, 4.0, 1.0]))
    assert frechet_distance(fit(a), fit(b)) == pytest.approx(9 + 1 + 0 + 4, abs=1e-11)


@pytest.mark.parametrize("dim", [2, 7, 40])
def test_covariances_that_do_not_commute(dim: int) -> None:
    m1, m2, c1, c2 = RANDOM.normal(size=dim), RANDOM.normal(size=dim), random_covariance(dim), random_covariance(dim)
    found = frechet_distance(fit(with_moments(500, m1, c1)), fit(with_moments(400, m2, c2)))
    assert found == pytest.approx(closed_form(m1, c1, m2, c2), rel=1e-9)


def test_zero_on_itself_and_symmetric() -> None:
    a, b = torch.randn(300, 20).relu(), torch.rand(250, 20)
    assert frechet_distance(fit(a), fit(a)) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(fit(a), fit(b)) == pytest.approx(frechet_distance(fit(b), fit(a)), rel=1e-12)


def test_rank_deficient_covariances_give_the_exact_number() -> None:
    # Fewer points than dimensions, and a constant feature: both covariances are singular.
    a, b = torch.randn(10, 30, dtype=torch.float64), torch.randn(12, 30, dtype=torch.float64)
    a[:, 3] = b[:, 3] = 1.0
    # Tr (C_a C_b)^(1/2) is the nuclear norm of A B^T / sqrt((n - 1) (m - 1)), A and B the centred points.
    centred_a, centred_b = (points.numpy() - points.numpy().mean(axis=0) for points in (a, b))
    root = np.linalg.svd(centred_a @ centred_b.T, compute_uv=False).sum() / np.sqrt(9 * 11)
    means = float((a.mean(0) - b.mean(0)).square().sum())
    exact = means + (centred_a**2).sum() / 9 + (centred_b**2).sum() / 11 - 2 * root
    assert frechet_distance(fit(a), fit(b)) == pytest.approx(exact, rel=1e-12)
    flat = Gaussian(torch.zeros(2, dtype=torch.float64), torch.tensor([[3.0, 0.0]], dtype=torch.float64))
    upright = Gaussian(torch.zeros(2, dtype=torch.float64), torch.tensor([[0.0, 4.0]], dtype=torch.float64))
    assert frechet_distance(flat, upright) == pytest.approx(9 + 16, abs=1e-12)


def test_covariance_divides_by_n_minus_one() -> None:
    points = torch.tensor([[0.0], [2.0]])
    assert fit(points).factor.square().sum().item() == pytest.approx(2.0)


def test_single_precision_features_are_summed_in_double_precision() -> None:
    features = torch.randn(500, 4) + 1000
    assert fit(features).factor.dtype == torch.float64
    exact = np.cov(features.double().numpy().T)
    factor = fit(features).factor.numpy()
    np.testing.assert_allclose(factor.T @ factor, exact, rtol=1e-10, atol=1e-12)


def test_agrees_with_torchmetrics() -> None:
    network = nn.Identity()
    network.num_features = 16  # type: ignore[assignment]
    a, b = torch.randn(400, 16, dtype=torch.float64).relu(), torch.rand(400, 16, dtype=torch.float64)
    metric = FrechetInceptionDistance(feature=network)
    metric.update(a, real=True)
    metric.update(b, real=False)
    assert frechet_distance(fit(a), fit(b)) == pytest.approx(metric.compute().item(), rel=1e-8)


def test_a_single_image_has_no_covariance() -> None:
    with pytest.raises(DataError, match="expected at least 2 images, got 1"):
        fit(torch.randn(1, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_have_no_distance(value: float) -> None:
    sound = torch.from_numpy(RANDOM.normal(size=(8, 3)))
    broken = sound.clone()
    broken[0, 0] = value
    with pytest.raises(Diverged, match="expected finite features"):
        frechet_distance(fit(broken), fit(sound))
