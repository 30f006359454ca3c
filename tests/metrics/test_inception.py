import pickle
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import MakeDataset, sampler_of
from torch_fidelity import feature_extractor_inceptionv3 as port

from ganexp.metrics import Evaluator, ImageSet, Metric, ScoringContext, fid, inception, inception_score, kid
from ganexp.types.errors import DataError


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right names and shapes, with random values."""
    path: Path = tmp_path_factory.mktemp("inception") / port.URL_INCEPTION_V3.rpartition("/")[2]
    network = port.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setattr(port, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(network, "load_state_dict", lambda *_: None)
        torch.manual_seed(0)
        torch.save(network("inception-v3-compat", ["2048"]).state_dict(), path)
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's folder, empty, on a machine without a network."""

    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    return tmp_path / "hub"


def test_without_weights_one_error_says_which_file_goes_where(make_dataset: MakeDataset, hub: Path) -> None:
    evaluator = Evaluator(make_dataset(), {"fid": fid()}, num_samples=4, objective="fid")
    with pytest.raises(DataError) as caught:
        evaluator.prepare()
    message = str(caught.value)
    assert str(hub / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth") in message
    assert port.URL_INCEPTION_V3 in message and "metrics=default" in message


def test_the_whole_path_runs_on_weights_of_the_right_shape(
    make_dataset: MakeDataset, random_weights: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "BLOCK", 4)
    (hub / "checkpoints").mkdir(parents=True)
    (hub / "checkpoints" / random_weights.name).symlink_to(random_weights)
    dataset = make_dataset(reference=8)
    metrics = {"fid": fid(), "kid": kid(subsets=3), "inception_score": inception_score(splits=2)}
    evaluator = Evaluator(dataset, metrics, num_samples=100, objective="fid")
    state = torch.get_rng_state()
    evaluator.prepare()
    scores = evaluator.evaluate(sampler_of(255 - dataset.train))
    assert list(scores.values) == ["fid", "fid_se", "kid", "inception_score", "fid_half_a"]
    assert scores.values["fid"] > scores.floors["fid"] > 0
    assert min(scores.values["inception_score"], scores.floors["inception_score"]) >= 1 - 1e-9
    assert scores.provenance["extractors"]["inception"]["weights"] == random_weights.name
    assert len({extractor.digest for extractor in evaluator._extractors.values()}) == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert len(list(dataset.cache_dir.glob("features_inception_*.npy"))) == 2


def test_grey_images_are_tiled_and_resized_by_the_library(
    make_dataset: MakeDataset, random_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "BLOCK", 2)
    dataset = make_dataset()
    extractor = inception.Inception(random_weights)(dataset, torch.device("cpu"))
    grey, colour = dataset.train[:2], np.repeat(dataset.train[:2], 3, axis=1)
    found = extractor.features(grey)
    assert found.shape == (2, 2048 + 1008)
    network = port.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(random_weights))
    assert torch.equal(inception.pool_features(found), network(torch.from_numpy(colour))[0])


@pytest.mark.parametrize("content", ["nothing", "other network", "pickled code"])
def test_a_file_that_is_something_else_is_refused(content: str, make_dataset: MakeDataset, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content == "nothing":
        path.write_bytes(b"")
    elif content == "other network":
        torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    else:
        path.write_bytes(pickle.dumps(Hostile(tmp_path / "executed")))
    with pytest.raises(DataError, match=r"weights.pth: expected torch-fidelity's Inception-v3 weights"):
        inception.Inception(path)(make_dataset(), torch.device("cpu"))
    assert not (tmp_path / "executed").exists()


class Hostile:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_named_file_that_is_not_there(make_dataset: MakeDataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected the file .*missing.pth, got none there"):
        inception.Inception(tmp_path / "missing.pth")(make_dataset(), torch.device("cpu"))


@pytest.mark.parametrize("missing", ["torch_fidelity.feature_extractor_inceptionv3", "torchmetrics"])
def test_without_the_packages_of_the_extra_the_message_says_what_to_install(
    missing: str, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DataError, match=r"pip install 'ganexp\[inception\]', or choose metrics=default"):
        inception.Inception()(make_dataset(), torch.device("cpu"))


def test_inception_score_in_closed_form() -> None:
    # Confident and evenly spread over 4 of the classes: KL(p(y|x) || p(y)) = log 4 for each image.
    confident = torch.full((40, inception.LOGITS_DIM), -30.0)
    confident[torch.arange(40), torch.arange(40) % 4] = 30.0
    assert score(inception_score(splits=1), logits=confident) == pytest.approx(4.0, rel=1e-6)
    undecided = torch.zeros(40, inception.LOGITS_DIM)
    assert score(inception_score(splits=1), logits=undecided) == pytest.approx(1.0)


def test_kid_against_its_definition() -> None:
    # One subset of everything: the unbiased estimate of MMD^2 with the kernel (x.y / 2048 + 1)^3.
    random = torch.Generator().manual_seed(0)
    fake, real = (torch.randn(12, 2048, generator=random, dtype=torch.float64) + shift for shift in (0.3, 0.0))

    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x @ y.T / 2048 + 1) ** 3

    within = sum(float(kernel(x, x).sum() - kernel(x, x).trace()) / (12 * 11) for x in (fake, real))
    expected = within - 2 * float(kernel(fake, real).mean())
    assert score(kid(subsets=2, subset_size=50), pool=fake, real=real) == pytest.approx(expected, rel=1e-6)


def score(
    metric: Metric,
    pool: torch.Tensor | None = None,
    logits: torch.Tensor | None = None,
    real: torch.Tensor | None = None,
) -> float:
    """A metric in Inception's features, of features at hand: pooled ones, logits, and the real images' pooled ones."""
    count = next(len(given) for given in (pool, logits) if given is not None)
    pool = torch.zeros(count, inception.POOL_DIM) if pool is None else pool
    logits = torch.zeros(count, inception.LOGITS_DIM) if logits is None else logits
    generated, reference = (ImageSet(np.zeros((count, 1, 1, 1), np.uint8)) for _ in range(2))
    features = {id(generated): torch.cat([pool, logits], dim=1)}
    features[id(reference)] = torch.cat([pool if real is None else real, logits], dim=1)

    class Context(ScoringContext):
        def features(self, images: ImageSet) -> torch.Tensor:
            return features[id(images)]

    context = Context(generated, reference, reference, reference, None, None)  # type: ignore[arg-type]
    return float(metric.compute(context))  # type: ignore[arg-type]
