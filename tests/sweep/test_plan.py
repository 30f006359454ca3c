from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganexp.files import plan
from ganexp.files.plan import Request
from ganexp.types.errors import DirectoryError
from synthetic import TIME, planned, write_plan


def request(*run_ids: str, command: tuple[str, ...] = ("a=1",), time: str = TIME) -> Request:
    return Request(command, time, time, run_ids, ("a",), "abc")


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    runs = [planned(1, epochs=1), planned(2, epochs=2, lr=1e-5, model__widths=[1, 2])]
    asked = request("1", "2")
    written = plan.record(tmp_path / "new" / "sweep", asked, runs, numerics_version=3)
    found = plan.read(tmp_path / "new" / "sweep")
    assert found == written
    assert found is not None
    assert (found.numerics_version, found.study, found.storage, found.requests) == (3, None, None, (asked,))
    assert [dict(run.values) for run in found.runs.values()] == [dict(run.values) for run in runs]


def test_no_plan(tmp_path: Path) -> None:
    assert plan.read(tmp_path) is None


def test_a_larger_request_is_added(tmp_path: Path) -> None:
    plan.record(tmp_path, request("1"), [planned(1)], numerics_version=1)
    plan.record(tmp_path, request("1", "2", command=("b",)), [planned(2), planned(1, seed=9)], numerics_version=1)
    found = plan.read(tmp_path)
    assert found is not None
    assert list(found.runs) == [planned(1).run_id, planned(2).run_id]
    assert found.runs[planned(1).run_id] == planned(1)
    assert [each.command for each in found.requests] == [("a=1",), ("b",)]


def test_the_same_request_again_changes_only_its_last_time(tmp_path: Path) -> None:
    plan.record(tmp_path, request("1"), [planned(1)], numerics_version=1)
    plan.record(tmp_path, request("1", time="2027"), [planned(1)], numerics_version=1)
    found = plan.read(tmp_path)
    assert found is not None
    assert found.requests == (replace(request("1"), last_time="2027"),)


@pytest.mark.parametrize("other", [{"numerics_version": 2}, {"study": "s"}, {"storage": "sqlite:///x"}])
def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path, other: dict[str, Any]) -> None:
    write_plan(tmp_path, [planned(1)])
    before = (tmp_path / "plan.json").read_bytes()
    with pytest.raises(DirectoryError, match=next(iter(other)).replace("_", " ")):
        plan.record(tmp_path, request("2"), [planned(2)], **{"numerics_version": 1, **other})
    assert (tmp_path / "plan.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9}', '{"format": 1}'])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(DirectoryError, match=r"plan\.json: expected a plan of format 1"):
        plan.read(tmp_path)


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", "a/b", ""])
def test_a_plan_cannot_point_outside(tmp_path: Path, name: str) -> None:
    write_plan(tmp_path, [planned(1)])
    content = json.loads((tmp_path / "plan.json").read_text())
    content["runs"][0]["run_dir"] = name
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(DirectoryError, match="plain name"):
        plan.read(tmp_path)


def test_requests_at_the_same_time_are_all_recorded(tmp_path: Path) -> None:
    def ask(number: int) -> None:
        plan.record(tmp_path, request(str(number)), [planned(number)], numerics_version=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))
    found = plan.read(tmp_path)
    assert found is not None
    assert set(found.runs) == {planned(number).run_id for number in range(24)}
    assert len(found.requests) == 24


def test_settings_are_what_tells_runs_apart(tmp_path: Path) -> None:
    both = write_plan(tmp_path, [planned(1, epochs=1), planned(2, epochs=2)])
    assert list(both.settings().values()) == ["epochs=1", "epochs=2"]
    assert write_plan(tmp_path / "one", [planned(1)]).settings() == {planned(1).run_id: ""}


def test_what_all_runs_have_in_common_stands_once(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(number, lr=float(number), seed=7) for number in range(50)])
    text = (tmp_path / "plan.json").read_text()
    assert text.count('"seed": 7') == 1
    assert text.count('"lr":') == 50


def test_one_is_not_true(tmp_path: Path) -> None:
    runs = [planned(1, flag=1), planned(2, flag=True), planned(3, flag=1.0)]
    write_plan(tmp_path, runs)
    found = plan.read(tmp_path)
    assert found is not None
    assert [type(run.values["flag"]) for run in found.runs.values()] == [int, bool, float]
