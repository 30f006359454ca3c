"""Sentences of a report: written once, shown in the page, in Markdown and in a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from markupsafe import Markup, escape

from ganexp.report.text import wording

_PART = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Code:
    """Text to be typed."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Text that stands out."""

    text: str


Part = float | int | str | Code | Strong | None


@dataclass(frozen=True)
class Sentence:
    """One or more sentences that belong together."""

    key: str  # of its numbers in the page; unique in it
    text: str  # with {name} for each part
    parts: Mapping[str, Part] = field(default_factory=dict)  # name -> a number, or text that may hold anything
    lead: bool = False  # whether it is the first thing to be read
    muted: bool = False  # whether it is a remark

    @classmethod
    def of(cls, key: str, text: str, **parts: Part) -> Sentence:
        """A sentence with these parts."""
        return cls(key, text, parts)

    @classmethod
    def leading(cls, key: str, text: str, **parts: Part) -> Sentence:
        """A sentence that is read first."""
        return cls(key, text, parts, lead=True)

    @classmethod
    def remark(cls, key: str, text: str, **parts: Part) -> Sentence:
        """A sentence that is read last."""
        return cls(key, text, parts, muted=True)

    def below(self, name: str) -> Sentence:
        """The sentence with a key that begins with `name`."""
        return replace(self, key=f"{name}/{self.key}")

    @property
    def html(self) -> Markup:
        """For the page: every number with its exact value."""
        return Markup("").join(self._filled(self._html))

    @property
    def markdown(self) -> str:
        """For report.md."""
        return "".join(self._filled(_markdown))

    @property
    def plain(self) -> str:
        """For a terminal."""
        return "".join(self._filled(_plain)).replace("\u202f", " ")

    def _filled(self, show: Callable[[str, Part], str]) -> Iterator[str]:
        pieces = _PART.split(self.text)
        return (show(piece, self.parts[piece]) if at % 2 else piece for at, piece in enumerate(pieces))

    def _html(self, name: str, part: Part) -> str:
        if isinstance(part, Code):
            return Markup("<code>{}</code>").format(part.text)
        if isinstance(part, Strong):
            return Markup("<strong>{}</strong>").format(part.text)
        return escape(part) if isinstance(part, str) else wording.number(f"{self.key}/{name}", part)


def _markdown(_: str, part: Part) -> str:
    if isinstance(part, Code):
        return wording.code(part.text)
    if isinstance(part, Strong):
        return f"**{wording.md(part.text)}**"
    return wording.md(part) if isinstance(part, str) else wording.readable(part)


def _plain(_: str, part: Part) -> str:
    if isinstance(part, Code | Strong):
        return part.text
    return part if isinstance(part, str) else wording.readable(part)
