"""The classifier of a dataset: packaged for the named datasets, trained once on first use for labelled data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ganexp.files.atomic import write_bytes, write_json
from ganexp.metrics.classifier_network import ARCHITECTURE, ClassifierNetwork, Recipe, accuracy, train
from ganexp.metrics.extractor import Extractor, made_once
from ganexp.types import Dataset
from ganexp.types.doing import doing
from ganexp.types.errors import DataError

PACKAGED = Path(__file__).parent / "weights"
OWN_RECIPE = Recipe(epochs=4)  # for a user's own data
LEAST_ACCURACY, LEAST_OVER_CHANCE = 0.6, 3  # on held-out images; below, settings are not chosen by cfd
USE_INSTEAD = "rfd, and metrics=inception, need no labels"


def classifier(dataset: Dataset, device: torch.device) -> Extractor:
    """The classifier of `dataset` as a feature extractor; trained and kept in its `cache_dir` where none is packaged.

    DataError where there are neither packaged weights nor labels of two classes to train with.
    """
    network, digest, details = _ready(dataset, device)
    return Extractor("classifier", digest, network.features, network.feature_dim, device=device, details=details)


def class_logits(dataset: Dataset, device: torch.device) -> Extractor:
    """The same classifier as an extractor of its logits, one for each label; raises as `classifier` does."""
    network, classifier_digest, details = _ready(dataset, device)
    digest = hashlib.sha256(f"logits of {classifier_digest}".encode()).hexdigest()
    return Extractor("logits", digest, network, network.head.out_features, device=device, details=details)


def write(network: ClassifierNetwork, card: dict[str, Any], folder: Path, stem: str) -> dict[str, Any]:
    """Write `stem`.safetensors in half precision, then `stem`.json with its hash; return the card with the hash."""
    data = save({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()})
    complete = {"sha256": hashlib.sha256(data).hexdigest(), "architecture": ARCHITECTURE, **card}
    write_bytes(folder / f"{stem}.safetensors", data)
    write_json(folder / f"{stem}.json", complete)
    return complete


def read(folder: Path, stem: str) -> tuple[ClassifierNetwork, dict[str, Any]] | None:
    """What `write` wrote, in eval mode; None where there is nothing, or the two files do not belong together."""
    try:
        card = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        data = (folder / f"{stem}.safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != card["sha256"] or card["architecture"] != ARCHITECTURE:
            return None
        channels, height, width = card["image_shape"]
        with torch.device("meta"):  # no weights are drawn, so no random state is touched
            network = ClassifierNetwork((channels, height, width), card["classes"])
        network.load_state_dict({name: tensor.float() for name, tensor in load(data).items()}, assign=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None
    return network.eval(), card


def card_of(network: ClassifierNetwork, dataset: Dataset, recipe: Recipe, origin: str) -> dict[str, Any]:
    """The card of a classifier: its purpose, its training, its accuracy on the held-out images."""
    assert dataset.reference_labels is not None and dataset.num_classes is not None
    return {
        "dataset": dataset.name,
        "image_shape": list(dataset.image_shape),
        "classes": dataset.num_classes,
        "feature_dim": network.feature_dim,
        "origin": origin,
        "test_accuracy": round(accuracy(network, dataset.reference, dataset.reference_labels), 6),
        "test_images": len(dataset.reference),
        "held_out": dataset.reference_origin,
        "training_images": len(dataset.train),
        "recipe": asdict(recipe),
        "torch": str(torch.__version__),
    }


def _ready(dataset: Dataset, device: torch.device) -> tuple[ClassifierNetwork, str, dict[str, Any]]:
    """The classifier of `dataset` on `device`, its digest, and its provenance."""
    network, card = _packaged(dataset) or _own(dataset)
    network.to(device)
    return network, card["sha256"], {key: card[key] for key in ("origin", "sha256", "test_accuracy")}


def _packaged(dataset: Dataset) -> tuple[ClassifierNetwork, dict[str, Any]] | None:
    """The packaged classifier, if it was made for these images and was trained on none of the reference."""
    if not (PACKAGED / f"{dataset.name}.json").exists():
        return None
    packaged = read(PACKAGED, dataset.name)
    if packaged is None:
        raise DataError(f"{PACKAGED / dataset.name}.safetensors: expected the hash in the .json beside it, got another")
    card = packaged[1]
    unseen = dataset.reference_origin in (card["held_out"], "test split")
    return packaged if unseen and tuple(card["image_shape"]) == dataset.image_shape else None


def _own(dataset: Dataset) -> tuple[ClassifierNetwork, dict[str, Any]]:
    """The classifier in the dataset's cache, trained first by one of the processes that ask for it."""
    if (reason := why_none(dataset)) is not None:
        raise DataError(f"the classifier's features: {reason}; {USE_INSTEAD}")
    folder, stem = dataset.cache_dir, _stem(dataset)
    return made_once(folder / stem, lambda: read(folder, stem), lambda: _train_own(dataset, folder, stem))


def _stem(dataset: Dataset) -> str:
    recipe = hashlib.sha256(json.dumps([ARCHITECTURE, asdict(OWN_RECIPE)]).encode()).hexdigest()
    return f"classifier_{dataset.fingerprint[:16]}_{recipe[:8]}"


def _train_own(dataset: Dataset, folder: Path, stem: str) -> tuple[ClassifierNetwork, dict[str, Any]]:
    assert dataset.train_labels is not None and dataset.num_classes is not None
    kept = folder / f".{stem}.unfinished"
    labels, classes = dataset.train_labels, dataset.num_classes
    network = train(dataset.train, labels, classes, OWN_RECIPE, name=dataset.name, kept=kept)
    card = card_of(network, dataset, OWN_RECIPE, "trained on first use")
    with doing(f"classifier of {dataset.name}: right for {card['test_accuracy']:.0%} of held-out images; writing it"):
        complete = write(network, card, folder, stem)
    kept.unlink(missing_ok=True)
    return network, complete


def is_weak(accuracy: float, classes: int) -> bool:
    """Whether features of a classifier so often right say too little to choose settings by."""
    return accuracy < max(LEAST_ACCURACY, LEAST_OVER_CHANCE / classes)


def is_trained_first(dataset: Dataset) -> bool:
    """Whether the first use of the classifier of `dataset` trains one: there are labels, and none is at hand."""
    return why_none(dataset) is None and _packaged(dataset) is None and read(dataset.cache_dir, _stem(dataset)) is None


def why_none(dataset: Dataset) -> str | None:
    """Why `dataset` has no classifier; None where it has one, or labels of at least two classes to train one with."""
    if dataset.train_labels is None or dataset.reference_labels is None or dataset.num_classes is None:
        reason = f"expected labelled images to train a classifier, got {dataset.name} without labels"
    elif (classes := len(np.unique(dataset.train_labels))) < 2:
        reason = f"expected training images of at least 2 classes, got {classes} in {dataset.name}"
    else:
        return None  # the usual case, which reads no weights
    return None if _packaged(dataset) is not None else reason
