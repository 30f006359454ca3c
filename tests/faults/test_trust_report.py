"""What a stranger wrote into files is shown as text: it scripts no page, opens no link, and moves no cursor."""

from __future__ import annotations

import csv
import json
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from PIL import Image
from strangers import command

from ganexp.files.plan import PlannedRun, Request, record
from ganexp.report import write_report
from ganexp.report.figures.strips import whole
from ganexp.types.endings import State
from synthetic import planned, write_run

PAYLOADS = (
    "<script>pwned()</script>",
    '"><img src=x onerror=pwned()>',
    "</style></script></title><svg onload=pwned()>",
    "' onmouseover='pwned()",
    "javascript:pwned()",
    "[x](javascript:pwned()) ![x](https://192.0.2.1/x.png) <https://192.0.2.1>",
    "| a | b |\n\n# heading\n```\n~~~\n<b>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}${7*7}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b31m",
    "\u202egnp.exe\u2066 zero\u200bwidth \u2028 line",
    "[red]markup[/] [/bold] [link=https://192.0.2.1]x[/link]",
    "$\\frac{1}{0$ $x^{",
    "--><!-- ]]> <?x ?>",
    "]]></text><script>pwned()</script>",
)

NAMES = (
    "javascript:pwned()",
    "data:text,x",
    "=cmd",
    "-rf",
    "a'b\"c<d>",
    "[x](y)",
    "%2e%2e",
    "#a?b",
    "~x",
    "$(touch y)",
)


def hostile(sweep: Path) -> list[str]:
    """A sweep directory with a payload in every text that it holds; gives the payloads."""
    runs = []
    for number, text in enumerate(PAYLOADS):
        common: dict[str, Any] = {"seed": number, "optim__lr": 10.0 ** -(number % 3 + 1), text: text}
        made = planned(
            number, trajectory=f"{text}{number}", dataset=PAYLOADS[number % 3], model=text, loss=text, **common
        )
        name = NAMES[number] if number < len(NAMES) else f"run{number}"
        runs.append(PlannedRun(made.run_id, made.trajectory_id, name, 2, (text, f"x={text}"), made.values))
    request = Request(
        PAYLOADS, PAYLOADS[0], PAYLOADS[0], tuple(r.run_id for r in runs), ("optim.lr", "model", *PAYLOADS), PAYLOADS[1]
    )
    record(sweep, request, runs, numerics_version=1, study=PAYLOADS[0], storage=PAYLOADS[1])
    for number, run in enumerate(runs):
        text = PAYLOADS[number]
        if number % 4 == 3:
            write_run(sweep, run, State.FAILED, error={"type": text, "message": text})
            continue
        folder = write_run(sweep, run, State.COMPLETED)
        spoil(folder / "result.json", text)
    write_trials(sweep, runs)
    return list(PAYLOADS)


def spoil(path: Path, text: str) -> None:
    """Payloads in a result."""
    found = json.loads(path.read_text())
    found["provenance"] |= {
        **dict.fromkeys(("git_revision", "machine", "cpu", "device"), text),
        "versions": {text: text},
        "dataset": {"name": text, "fingerprint": text, "reference_origin": text},
        "metrics": {"num_samples": 10, "protocol": {"cfd": "p"}, "reference": {"origin": text}},
    }
    found["read_off"] = text
    path.write_text(json.dumps(found))


def write_trials(sweep: Path, runs: list[PlannedRun]) -> None:
    """trials.json of a search with payloads."""
    trials = [
        {
            "number": number,
            "state": ("COMPLETE", "PRUNED", "FAIL")[number % 3],
            "values": [float(number)] if number % 3 == 0 else None,
            "intermediate": {"1": 1.0},
            "attributes": {"run_id": PAYLOADS[number], "reason": PAYLOADS[number]},
        }
        for number in range(len(runs))
    ]
    words = {"study": PAYLOADS[0], "sampler": PAYLOADS[2], "pruner": PAYLOADS[5]}
    content = {"format": 1, **words, "objectives": ["cfd"], "directions": ["minimize"], "trials": trials}
    (sweep / "trials.json").write_text(json.dumps(content))


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A hostile sweep directory with its report."""
    folder = tmp_path_factory.mktemp("hostile") / "sweep"
    hostile(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fonts without such characters
        write_report([folder])
    yield folder


def test_the_page_holds_our_script_alone(sweep: Path) -> None:
    page = (sweep / "report.html").read_text()
    tags = Tags(page).found
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert scripts == [
        {"type": "application/json", "id": "data"},
        {},
        {},
        {},
        {},
    ]  # the data block, and what the policy names
    assert not {tag for tag, _ in tags} & {"iframe", "object", "embed", "base", "form", "foreignobject"}
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "xlink:href", "action"):
            assert attributes.get(name, "#").startswith(("#", "./", "data:image/png", "data:,")), (tag, attributes)
    (policy,) = [a["content"] for t, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "script-src 'sha256-" in policy and "script-src 'unsafe-inline'" not in policy
    assert page.count("pwned") > 50  # shown, as text


def test_the_policy_names_the_scripts_that_the_page_has(sweep: Path) -> None:
    import base64
    import hashlib

    page = (sweep / "report.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    named = re.findall(r"'sha256-([^']+)'", page.partition("<title>")[0])
    assert [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts] == named


def test_the_data_block_holds_texts_and_ends_no_script(sweep: Path) -> None:
    (block,) = re.findall(r'id="data">(.*?)</script>', (sweep / "report.html").read_text(), flags=re.DOTALL)
    assert "<" not in block and "pwned" in block
    assert set(json.loads(block)) >= {"runs", "chapters", "pictures"}


def test_every_link_leads_to_its_own_directory(sweep: Path) -> None:
    from urllib.parse import unquote

    links = [a["href"] for t, a in Tags((sweep / "report.html").read_text()).found if t == "a"]
    folders = {unquote(link) for link in links if link.startswith("./")}
    assert {f"./{name}/" for name in NAMES} <= folders


def test_markdown_renders_to_text_and_our_own_pictures(sweep: Path) -> None:
    text = (sweep / "report.md").read_text()
    tags = Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(text)).found
    assert {tag for tag, _ in tags} <= {
        *("h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "img", "a", "code", "strong", "ul", "li"),
        *("em",),
    }
    for tag, attributes in tags:
        for name in ("href", "src"):
            assert re.fullmatch(r"#|figures/[\w-]+\.(svg|png)|summary\.csv", attributes.get(name, "#")), (
                tag,
                attributes,
            )
    assert [tag for tag, _ in tags].count("h1") == 1


def test_figures_are_drawings_alone(sweep: Path) -> None:
    figures = sorted((sweep / "figures").glob("*.svg"))
    assert figures
    for path in figures:
        for element in ElementTree.parse(path).iter():
            assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "a", "iframe"), path
            for name, value in element.attrib.items():
                assert not name.startswith("on") and "javascript:" not in value, path
                assert name.rpartition("}")[2] != "href" or value.startswith(("#", "data:image/png")), (path, value)


def test_no_cell_of_the_summary_is_a_formula(sweep: Path) -> None:
    with (sweep / "summary.csv").open(newline="") as file:
        everything = [cell for row in csv.reader(file) for cell in row]
    assert any(cell.startswith("'=") for cell in everything)
    for cell in everything:
        assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
        assert not cell.startswith("-") or float(cell) < 0, cell


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("status", "--watch"), ("report",), ("report", "--verify"), ("report", "--best"), ("clean",)],
)
def test_nothing_acts_on_the_terminal(sweep: Path, arguments: tuple[str, ...]) -> None:
    if "--verify" in arguments:
        page = sweep / "report.html"
        page.write_text(page.read_text().replace("</main>", f"<p>{PAYLOADS[13]}</p></main>"))
    done = command(f"ganexp.{arguments[0]}", sweep, *arguments[1:], cwd=sweep.parent)
    assert done.status in (0, 1, 2), done.output
    assert_harmless(done.output)
    if arguments == ("status",):
        assert r"\x1b]0;title" in done.output and "[red]markup" in done.output


def assert_harmless(output: str) -> None:
    """No control character but line ends, and none that turns the direction of text."""
    found = {c for c in output if not c.isprintable() and c != "\n"}
    assert not found, found


def test_a_hostile_directory_cannot_speak_through_errors(tmp_path: Path) -> None:
    evil = tmp_path / "evil\x1b]0;x\x07\u202e"
    evil.mkdir()
    (evil / "status.json").write_text("{}")
    (evil / "plan.json").write_text('{"format": "\\u001b[2J"}')
    for module in ("status", "report", "clean", "sample", "evaluate", "resume", "confirm"):
        extra = ("--out", tmp_path / "x.png") if module == "sample" else ()
        done = command(f"ganexp.{module}", evil, *extra, cwd=tmp_path)
        assert done.status in (0, 2), (module, done.output)
        assert_harmless(done.output)


def bomb(path: Path) -> None:
    """A PNG of a few kilobytes that has two hundred million pixels."""
    Image.new("1", (14_000, 14_000)).save(path)


def strange(path: Path, kind: str, tmp_path: Path) -> None:
    """A file that is no picture of a run."""
    private = tmp_path / "private.png"
    Image.new("L", (9, 9), 200).save(private)
    if kind == "bomb":
        bomb(path)
    elif kind == "wide":
        Image.new("1", (80_000_000, 1)).save(path)
    elif kind == "postscript":
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n")
    elif kind == "another format":
        Image.new("L", (9, 9)).save(path, format="BMP")
    elif kind == "link":
        path.symlink_to(private)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(10**10)
    else:
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)


@pytest.mark.parametrize("kind", ["bomb", "wide", "postscript", "another format", "link", "huge", "damaged"])
def test_only_small_pngs_of_the_run_itself_are_shown(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    strange(folder / "epoch_0001.png", kind, tmp_path)
    assert whole(folder / "epoch_0001.png", "x", "x") is None


def test_a_picture_of_odd_shape_is_scaled_down(tmp_path: Path) -> None:
    Image.new("L", (30_000, 3)).save(tmp_path / "a.png")
    shown = whole(tmp_path / "a.png", "x", "x")
    assert shown is not None and shown.width <= 4200
