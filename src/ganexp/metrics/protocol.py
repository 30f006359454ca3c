"""What makes two values comparable: a digest of everything but the generated images that a value depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ganexp.files.record import version_of
from ganexp.metrics.extractor import Extractor
from ganexp.metrics.metric import Metric

VERSION = 2  # raised when the arithmetic of a metric changes (2: open balls, memorization, draws for half B)

QUANTISATION = "uint8: clamp(round((x + 1) * 127.5), 0, 255), halves to even"


def digest(**parts: Any) -> str:
    """16 hex digits that stand for JSON-able `parts` and the version of the arithmetic."""
    text = json.dumps({"version": VERSION, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def same_protocol(a: Mapping[str, Any], b: Mapping[str, Any], column: str) -> bool:
    """Whether two provenances (`Scores.provenance`) let values of `column` be ranked together.

    They do if both name the column and `provenance["protocol"][column]` is equal: same metric and settings, number of
    images, reference images, halves, quantisation and extractor weights.
    """
    first, second = (provenance.get("protocol", {}).get(column) for provenance in (a, b))
    return first is not None and first == second


def is_present(measured: Mapping[str, Any], present: Mapping[str, Any], column: str) -> bool:
    """Whether values of `column` with the provenance `measured` were made as `present` ones are.

    Version 0.1.0 recorded no digests of unfinished runs: there the version of the protocol decides.
    """
    if column in measured.get("protocol", {}):
        return same_protocol(measured, present, column)
    return version_of(measured, column) == VERSION


def describe(
    metrics: Mapping[str, tuple[Metric, Extractor | None]], objective: str | None, count: int, reference: str
) -> dict[str, Any]:
    """How values are computed, JSON-able, with the digest of each column.

    `count` is the number of generated images, and of images in each half; `reference` is the digest of the pixels of
    both halves. The objective has a value on half A too.
    """
    extractors: dict[str, Any] = {}
    details: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for name, (metric, extractor) in metrics.items():
        made = {"function": metric.identity, "direction": metric.direction, "settings": dict(metric.settings)}
        details[name] = made | {"extractor": extractor and extractor.name, "num_samples": count, "version": VERSION}
        if extractor is not None:
            extractors[extractor.name] = {"digest": extractor.digest, **extractor.details}
        parts: dict[str, Any] = made | {"extractor": extractor and extractor.digest, "quantisation": QUANTISATION}
        parts |= {"count": count, "reference": reference}
        digests[name] = digest(**parts, half="B")
        if name == objective:
            digests[f"{name}_half_a"] = digest(**parts, half="A")
    return {"quantisation": QUANTISATION, "extractors": extractors, "metrics": details, "protocol": digests}
