"""The pages for readers: what they link to is there, and what they list is all there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganexp.metrics import words

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "README.fr.md", "CONTRIBUTING.md")]
PAGES += sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "analysis").glob("**/*.md")])


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not target.startswith(("http://", "https://", "mailto:")):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


def test_the_glossary_has_each_word_that_is_said_of_a_value() -> None:
    said = re.findall(r'^\| "([^"]+)" \|', (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert said == [words.NOISE, words.COLLAPSED, words.READABLE, words.NEAR, words.REAL]


def test_the_french_page_maps_what_the_english_one_does() -> None:
    english, french = (
        re.findall(r"^\|(.*)\|$", (ROOT / name).read_text().partition(heading)[2].partition("\n## ")[0], re.MULTILINE)
        for name, heading in (
            ("README.md", "## Coming from the original project"),
            ("README.fr.md", "## Du projet d'origine à ganexp"),
        )
    )
    assert len(english) > 8
    code = [re.findall(r"`[^`]+`", row) for row in english]
    assert [re.findall(r"`[^`]+`", row) for row in french] == code
