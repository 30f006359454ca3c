"""What the first screen shows of the winner: its command, and its images beside real ones and its rivals'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganexp.report.best import NOT_REPEATED
from ganexp.report.chapters import Chapter
from ganexp.report.figures.strips import Picture, first_images


def repeating(overrides: Sequence[str]) -> list[str]:
    """The overrides that train a setting again, elsewhere and with the default seed."""
    words = [(text, text.partition("=")[0].lstrip("+~")) for text in overrides]
    dropped = {*NOT_REPEATED, "dataset.root"}
    return [text for text, key in words if not (key.startswith("-") or {key, key.split(".")[0]} & dropped)]


@dataclass(frozen=True)
class Shown:
    """One set of single images on the first screen."""

    title: str
    words: str  # below the title
    images: Sequence[Picture]


def first_screen(chapter: Chapter) -> list[Shown]:
    """Real images, the winner's at its final epoch and those of the next two settings; [] where nothing is ranked."""
    ranking, shown = chapter.ranking, []
    for standing in ranking.ranked[:3]:
        if images := first_images(standing.lead, standing.lead.done, standing.name):
            first = "winner" if ranking.claims else "first"
            place = first if standing.rank == 1 else f"rank {standing.rank}"
            shown.append(Shown(place, f"{standing.name}, epoch {standing.lead.done}", images))
    real = first_images(ranking.ranked[0].lead, None, f"real {ranking.dataset}") if ranking.ranked else []
    return [Shown("real", ranking.dataset, real), *shown] if real and shown else shown
