import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from squares import MakeDataset, sampler_of

from ganexp.metrics import Evaluator, cfd, parzen, parzen_ll
from ganexp.metrics.parzen import SIGMAS, log_likelihoods, score, tail_length, training_sample
from ganexp.types.errors import ConfigError


def test_one_window_is_a_gaussian() -> None:
    sample, images = torch.zeros(1, 3, dtype=torch.float64), torch.tensor([[0.1, 0.2, 0.2]], dtype=torch.float64)
    expected = -0.09 / (2 * 0.25) - 3 * math.log(0.5 * math.sqrt(2 * math.pi))
    assert log_likelihoods(sample, images, [0.5]).item() == pytest.approx(expected, abs=1e-12)


def test_many_windows_against_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parzen, "BLOCK", 7)
    random = np.random.RandomState(0)
    samples, images = random.uniform(size=(40, 5)), random.uniform(size=(16, 5))
    squares = ((images[:, None] - samples[None]) ** 2).sum(axis=2)
    for sigma in (0.1, 1.0):
        constant = math.log(40) + 5 * math.log(sigma * math.sqrt(2 * math.pi))
        expected = logsumexp(-squares / (2 * sigma**2), axis=1) - constant
        found = log_likelihoods(torch.from_numpy(samples), torch.from_numpy(images), [sigma])[0]
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_gaussian_toy_has_the_closed_form() -> None:
    # Windows of width s around draws of N(0, I) tend to N(0, (1 + s^2) I).
    random, dim, sigma = torch.Generator().manual_seed(0), 2, 0.3
    samples = torch.randn(10_000, dim, generator=random, dtype=torch.float64)
    images = torch.randn(4_000, dim, generator=random, dtype=torch.float64)
    variance = 1 + sigma**2
    expected = -dim / 2 * (math.log(2 * math.pi * variance) + 1 / variance)
    assert log_likelihoods(samples, images, [sigma]).mean().item() == pytest.approx(expected, abs=0.05)


def test_sigma_comes_from_the_training_tail_and_the_figure_from_the_reference(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(train=100, reference=40)
    samples = torch.rand(50, 144, dtype=torch.float64)
    tail, reference = (torch.from_numpy(x.reshape(-1, 144) / 255.0) for x in (dataset.train[80:], dataset.reference))
    best = max(SIGMAS, key=lambda sigma: log_likelihoods(samples, tail, [sigma]).mean().item())
    values = log_likelihoods(samples, reference, [best])[0]
    found = score(samples, dataset)
    assert found.value == pytest.approx(values.mean().item(), rel=1e-12)
    assert found.standard_error == pytest.approx(values.std().item() / math.sqrt(40), rel=1e-12)


def test_sigma_is_chosen_on_the_tail_alone_and_on_its_first_images(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Samples lie on the first two images of the tail, far from every other training image: the smallest sigma fits.
    monkeypatch.setattr(parzen, "VALIDATION", 2)
    images = np.full((100, 1, 4, 4), 255, np.uint8)
    images[80:82] = 0
    dataset = replace(make_dataset(), train=images, reference=images[80:82])
    smallest = log_likelihoods(torch.zeros(3, 16, dtype=torch.float64), torch.zeros(1, 16, dtype=torch.float64), [0.1])
    assert score(torch.zeros(3, 16, dtype=torch.float64), dataset).value == pytest.approx(smallest.item())


@pytest.mark.parametrize(("count", "tail"), [(60_000, 10_000), (50_000, 10_000), (20_000, 4_000), (899, 179)])
def test_the_tail_is_the_papers_or_a_fifth(count: int, tail: int, make_dataset: MakeDataset) -> None:
    images = np.broadcast_to(np.zeros((1, 1, 2, 2), np.uint8), (count, 1, 2, 2))
    assert tail_length(replace(make_dataset(), train=images)) == tail


def test_the_grid_of_sigmas_is_the_papers() -> None:
    assert pytest.approx(np.logspace(-1, 0, 10)) == SIGMAS


def test_samples_are_not_quantised(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    evaluator = Evaluator(dataset, {"parzen_ll": parzen_ll(samples=30)}, num_samples=10, objective=None)
    plain = sampler_of(dataset.train)
    shifted = evaluator.evaluate(lambda count: plain(count) * 0.999).values["parzen_ll"]  # below half a grey level
    assert shifted != evaluator.evaluate(plain).values["parzen_ll"]


def test_floor_is_the_figure_of_training_images_and_has_a_standard_error(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    evaluator = Evaluator(dataset, {"parzen_ll": parzen_ll(samples=50)}, num_samples=10, objective=None)
    evaluator.prepare()
    assert evaluator.columns == ["parzen_ll", "parzen_ll_se"]
    assert evaluator.floors["parzen_ll"] == score(training_sample(dataset, 50), dataset).value
    assert evaluator.floors["parzen_ll_se"] > 0


def test_the_floor_takes_no_image_of_the_tail(make_dataset: MakeDataset) -> None:
    images = np.zeros((100, 1, 2, 2), np.uint8)
    images[80:] = 255
    sample = training_sample(replace(make_dataset(), train=images), 1000)
    assert sample.shape == (80, 4) and float(sample.max()) == 0.0


def test_left_out_for_colours_and_never_an_objective(make_dataset: MakeDataset) -> None:
    colour = Evaluator(make_dataset(channels=3), {"parzen_ll": parzen_ll()}, num_samples=10, objective=None)
    colour.prepare()
    assert colour.columns == []
    assert colour.provenance["left_out"] == {"parzen_ll": "defined for grey images, got 3 channels"}
    with pytest.raises(ConfigError, match=r"metrics.objective.*parzen_ll.*expected one of cfd"):
        Evaluator(make_dataset(), {"cfd": cfd(), "parzen_ll": parzen_ll()}, num_samples=10, objective="parzen_ll")
