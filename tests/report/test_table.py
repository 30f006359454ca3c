from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from ganexp.compare import main
from ganexp.report.ranking import rankings
from ganexp.report.table import Columns, read_table
from ganexp.types.errors import DataError

app = Typer()
app.command()(main)

FID = Columns("fid", "minimise", "seed")
GOOD = "lr,seed,fid\n" + "".join(
    f"{lr},{s},{v + s / 10}\n" for lr, v in (("1e-4", 3.0), ("1e-5", 9.0)) for s in range(4)
)


def rows(tmp_path: Path, text: str | bytes, columns: Columns = FID) -> list[tuple[str, int, float | None]]:
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    study = read_table(path, columns, tmp_path / "out")
    return [(dict(run.setting).get("lr", ""), run.seed, run.value("fid")) for run in study.runs]


def call(tmp_path: Path, *arguments: str, text: str = GOOD) -> tuple[int, str]:
    (tmp_path / "t.csv").write_text(text)
    done = CliRunner().invoke(app, [str(tmp_path / "t.csv"), "--objective", "fid", "--seed", "seed", *arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", ";").replace(".", ","),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("lr", '"lr"').replace("1e-4", '"1e-4"'),
        lambda text: text + "\n\n",
        lambda text: text.replace(",0,", ", 0.0 ,"),
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, change: object) -> None:
    assert rows(tmp_path, change(GOOD)) == rows(tmp_path, GOOD)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a header and rows, got nothing"),
        ("lr,seed,fid\n", "got a header alone"),
        (GOOD.replace("fid", "loss"), "expected a column 'fid', got 'lr', 'seed', 'loss'"),
        (GOOD.replace("lr,", "seed,"), "expected columns of different names, got 'seed' twice"),
        (
            GOOD + "1e-4,0,3\n",
            "lines 2 and 10: expected one row for each setting and seed, got two of lr 0.0001, seed 0",
        ),
        (GOOD + "1e-4,9,\n", "line 10: fid: expected a value of up to 300 characters, got an empty cell"),
        (GOOD + ",9,1\n", "line 10: lr: expected a value"),
        (GOOD + "1e-4,9,nan\n", "line 10: fid: expected a finite number, got 'nan'"),
        (GOOD + "1e-4,9,inf\n", "expected a finite number, got 'inf'"),
        (GOOD + "1e-4,9,1e300\n", "expected a finite number, got '1e300'"),
        (GOOD + "1e-4,9,good\n", "expected a finite number, got 'good'"),
        (GOOD + "1e-4,x,1\n", "seed: expected a whole number from 0, got 'x'"),
        (GOOD + "1e-4,9\n", "line 10: expected 3 cells, got 2"),
        (GOOD.replace("1e-5", "1e-4"), "expected one row for each setting and seed"),
        ("lr,seed,fid\n1,0,1\n1,1,2\n1,2,2\n", "expected at least two settings, got one"),
        ("lr,seed,fid\n1,0,1\n2,0,2\n3,0,2\n", "expected at least two seeds of a setting"),
        ("lr,x,seed,fid\n1,1,0,1\n2,2,1,2\n3,3,2,2\n", "--by names the columns that make a setting"),
        (b"\xff\xfe\x00", "expected a table as UTF-8 text"),
        ('lr,seed,fid\n"1,0,1\n', "expected CSV"),
    ],
)
def test_what_is_no_table_of_results_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        rows(tmp_path, text)
    assert words in str(caught.value)


def test_verdict_page_and_figures_with_every_number_verified(tmp_path: Path) -> None:
    options = ("--lower-is-better", "--margin", "5%", "--baseline", "lr=1e-5")
    status, output = call(tmp_path, *options)
    assert status == 0, output
    out = tmp_path / "t-verdict"
    assert "1 of 1 beat it, the baseline lr 1e-05" in output and output.rstrip().endswith("report.html")
    assert (out / "figures" / "r0-intervals.svg").exists() and "lr 0.0001" in (out / "report.md").read_text()
    assert len(json.loads((out / "looks.json").read_text())["looks"]) == 1
    assert call(tmp_path, *options, "--verify") == (0, f"{out}: every number is what {tmp_path / 't.csv'} says\n")
    status, output = call(tmp_path, *options, "--verify", text=GOOD.replace("3.1", "3.15"))
    assert status == 1 and "the files say 3.15" in output
    call(tmp_path, *options, text=GOOD + "1e-4,9,3\n1e-5,9,9\n")
    assert "This is look 2" in (out / "report.md").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "expected --lower-is-better or --higher-is-better"),
        (("--lower-is-better", "--by", "lr,batch"), "expected a column 'batch'"),
        (("--lower-is-better", "--margin", "-5%"), "--margin"),
        (("--lower-is-better", "--baseline", "lr=7"), "expected one of the ranked settings"),
    ],
)
def test_a_refusal_ends_with_2_and_writes_nothing(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    status, output = call(tmp_path, *options)
    assert status == 2 and words in output
    assert not (tmp_path / "t-verdict").exists()


def test_data_sets_costs_and_trajectories(tmp_path: Path) -> None:
    lines = [
        f"{d},{lr},{s},{e},{v + e + s},{c},{lr}-{s}"
        for d in "ab"
        for lr, v, c in ((1, 3, 5), (2, 9, 2))
        for s in range(3)
        for e in (1, 2)
    ]
    text = "data,lr,seed,epochs,fid,seconds,run\n" + "\n".join(lines)
    columns = Columns("fid", "minimise", "seed", ("lr", "epochs"), "data", "seconds", "run")
    rows(tmp_path, text, columns)
    study = read_table(tmp_path / "t.csv", columns, tmp_path)
    assert [ranking.dataset for ranking in rankings(study)] == ["a", "b"]
    assert study.keys == ("lr", "epochs") and study.runs[0].seconds == 5
    assert len({run.trajectory_id for run in study.runs}) == len(study.runs) / 2


def test_strangers_text_in_a_table_is_text(tmp_path: Path) -> None:
    status, output = call(tmp_path, "--lower-is-better", text=GOOD.replace("1e-4", "<script>alert(1)</script>$x$|*"))
    assert status == 0, output
    assert "<script>alert" not in (tmp_path / "t-verdict" / "report.html").read_text()
    assert "<script>" not in (tmp_path / "t-verdict" / "report.md").read_text()


def test_torch_is_not_imported() -> None:
    code = "import sys, ganexp.compare, ganexp.report.table, ganexp.report.write; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_users_files_stay_without_force(tmp_path: Path) -> None:
    page = tmp_path / "out" / "report.html"
    page.parent.mkdir()
    page.write_text("mine")
    arguments = ("--lower-is-better", "--out", str(page.parent))
    status, output = call(tmp_path, *arguments)
    assert status == 2 and "--force" in output and page.read_text() == "mine"
    assert not (page.parent / "looks.json").exists()
    assert call(tmp_path, *arguments, "--force")[0] == 0 and "t.csv" in page.read_text()
    assert call(tmp_path, *arguments)[0] == 0
