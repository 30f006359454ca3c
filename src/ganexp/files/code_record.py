"""`.hydra/own_code.json` of a run directory: the source of own code in the run, and the result of its rehearsal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ganexp.files.atomic import write_json
from ganexp.files.foreign import SMALL, read_json

FILE = "own_code.json"
NOT_REPRODUCIBLE = "own code: not reproducible"

Sources = Mapping[str, str]  # module -> digest of its source file


@dataclass(frozen=True)
class CodeRecord:
    """What a run directory records of its own code."""

    # Sources of data set, model, loss, penalty and optimizer. The last one counts; earlier ones are the same by the
    # user's word (`changed_code=same_run`).
    training: tuple[Sources, ...]
    metrics: Sources
    problems: tuple[str, ...] = ()  # why the run is not bit-reproducible; empty: it is
    shared: tuple[str, ...] = ()  # parts of its training that are equal for other seeds

    @property
    def all_sources(self) -> Sources:
        """Those that count, of training and metrics."""
        return {**self.training[-1], **self.metrics}

    @property
    def label(self) -> str:
        """8 digits of the digest that counts."""
        return digest(self.all_sources)[:8]

    @property
    def setting(self) -> str:
        """`label`, marked where the run is not reproducible."""
        return f"{self.label} (not reproducible)" if self.problems else self.label

    @property
    def note(self) -> str:
        """Caveat for readers of its numbers, in one line, or ""."""
        same = ", ".join(digest({**earlier, **self.metrics})[:8] for earlier in self.training[:-1])
        words = [NOT_REPRODUCIBLE] if self.problems else []
        words += [f"own code: {self.label} was said to be the same as {same}"] if same else []
        words += [f"own code: seeds are not independent ({'; '.join(self.shared)})"] if self.shared else []
        return "; ".join(words)


def digest(sources: Sources) -> str:
    """32 hex digits: equal for equal sources."""
    return hashlib.blake2b(json.dumps(sources, sort_keys=True).encode(), digest_size=16).hexdigest()


def as_text(code: CodeRecord) -> str:
    """The sources that count in one line, for `sweep.own_code`."""
    return " ".join(f"{module}:{value}" for module, value in sorted(code.all_sources.items()))


def read_code(run: Path) -> CodeRecord | None:
    """The record of a run directory; None where it is damaged or missing (as in those of earlier versions)."""
    try:
        raw = read_json(run / ".hydra" / FILE, SMALL)
        *training, metrics = (
            {str(module): str(value) for module, value in sources.items()}
            for sources in (*raw["training"], raw["metrics"])
        )
        problems, shared = (tuple(map(str, raw.get(name, ()))) for name in ("problems", "shared"))
        return CodeRecord(tuple(training), metrics, problems, shared) if training else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_code(run: Path, code: CodeRecord) -> None:
    """Write the record of a run directory."""
    write_json(run / ".hydra" / FILE, asdict(code))


def joined(before: CodeRecord, code: CodeRecord) -> CodeRecord:
    """`code`, for a run that is recorded as `before`: keeps other sources as earlier ones, and the problems."""
    earlier = tuple(sources for sources in before.training if dict(sources) != dict(code.training[-1]))
    problems = tuple(dict.fromkeys((*before.problems, *code.problems)))
    shared = tuple(dict.fromkeys((*before.shared, *code.shared)))
    return CodeRecord((*earlier, code.training[-1]), code.metrics, problems, shared)
