"""Types of the contents of a run's files on which others rely: the files may be damaged, or a stranger's."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Required

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen
from pydantic import StringConstraints
from typing_extensions import TypedDict

from ganexp.types.bounds import validator

Number = Annotated[float, Lt(1e300), Gt(-1e300)]  # sums of these are finite

Column = Annotated[str, StringConstraints(pattern=r"^\w[\w .:/@+-]{0,199}$")]  # no spreadsheet takes it for a formula

Numbers = Annotated[dict[Column, Number | None], MaxLen(1000)]
Rows = list[Annotated[dict[Column, float | None], MaxLen(1000)]]
Count = Annotated[int, Ge(0), Lt(2**53)]


class Details(TypedDict, total=False):
    """One metric in `provenance.metrics.metrics`."""

    version: Count  # of the protocol; absent: 1


class Measured(TypedDict, total=False):
    """`provenance.metrics` of a result.json: how metrics were made."""

    num_samples: Count
    protocol: dict[str, str]
    metrics: dict[str, Details]
    reference: dict[str, Any]


class Provenance(TypedDict, total=False):
    """`provenance` of a result.json."""

    metrics: Measured
    unsettled: list[Column]  # columns of metrics.csv that are being scored anew: their values there do not count
    versions: dict[str, str]
    dataset: dict[str, Any]
    git_revision: str | None
    threads: Count | None


class Objective(TypedDict, total=False):
    """`objective` of a result.json."""

    name: Required[Column]
    value: Number | None
    direction: Literal["minimise", "maximise"]


class Result(TypedDict, total=False):
    """result.json; other keys are not relied on."""

    epoch: Count
    final: Required[Numbers]
    floors: Numbers
    objective: Objective | None
    best: Numbers | None
    train_seconds: Required[Number]
    images_per_second: Required[Number | None]
    provenance: Provenance
    read_off: str | None


class Meta(TypedDict, total=False):
    """The metadata of a checkpoint."""

    epoch: Count
    step: Count
    train_seconds: Number
    elapsed: Number
    history: Rows
    scalars: dict[str, Any]
    machine: dict[str, Any]
    image_shape: Annotated[list[Annotated[int, Ge(1), Le(4096)]], Len(3, 3)]
    label_counts: Annotated[list[Count], MaxLen(65_536)] | None
    measured: Measured  # how the scores in `history` were made; absent: by protocol 1


class OneTrial(TypedDict):
    """A trial in trials.json."""

    number: Count
    state: Literal["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]
    values: list[Number | None] | None
    intermediate: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}$")], Number | None]
    attributes: dict[str, Any]


class TrialsFile(TypedDict):
    """trials.json."""

    format: Literal[1]
    study: str
    objectives: Annotated[list[Column], MinLen(1), MaxLen(100)]
    directions: list[Literal["minimize", "maximize"]]
    sampler: str
    pruner: str
    trials: Annotated[list[OneTrial], MaxLen(20_000)]


Mark = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]


class OneLook(TypedDict):
    """One look at the verdict on a data set, in looks.json."""

    time: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}\+00:00$")]
    dataset: Annotated[str, MaxLen(500)]
    objective: Annotated[str, MaxLen(500)]
    protocol: Annotated[str, MaxLen(200)]
    runs: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    run_count: Count
    settings: Count
    seeds: Annotated[list[Annotated[int, Ge(1), Lt(10**6)]], Len(2, 2)]
    level: Annotated[float, Ge(0), Le(1)]
    verdict: Annotated[str, MaxLen(1000)]
    best: NotRequired[Mark]  # a run of the setting that others were compared with; not in files of 0.1.0
    apart: NotRequired[Annotated[list[Mark], MaxLen(100_000)]]  # a run of each setting that was worse


class Looks(TypedDict):
    """looks.json."""

    format: Literal[1]
    looks: Annotated[list[OneLook], MaxLen(1000)]


def check(kind: type[Any], value: Any) -> None:
    """ValueError, naming the place, where `value` is not of that kind."""
    validator(kind).validate_python(value, strict=True)
