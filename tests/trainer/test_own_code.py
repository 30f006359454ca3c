"""Own code in a run: its source is recorded and compared, and what could not be repeated is noticed before any work."""

import importlib
import json
import random
import sys
import textwrap

import numpy as np
import pytest
import torch

from ganexp.files.code_record import NOT_REPRODUCIBLE, read_code
from ganexp.files.record import read_metrics
from ganexp.files.run_folder import RunFolder
from ganexp.files.source_files import sources
from ganexp.trainer import run
from ganexp.trainer.rehearsal import rehearse
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError
from helpers import TINY, make_spec

OWN = (*(text for text in TINY if not text.startswith("model.")), "model=mlp", "trust=[lab*]", "trainer.epochs=2")

BODY = """
import itertools, random
import numpy as np
import torch
from torch import nn
from ganexp.types import GAN
{before}
class D(nn.Module):
    def __init__(self, pixels):
        super().__init__()
        self.layer = nn.Linear(pixels, 1)
        {init}

    def forward(self, x):
        x = x.flatten(1)
        {forward}
        return self.layer(x).squeeze(1)

class G(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape, self.layer = shape, nn.Linear(4, shape[0] * shape[1] * shape[2])

    def forward(self, z):
        return torch.tanh(self.layer(z)).unflatten(1, self.shape)

def mine(shape):
    {build}
    return GAN(G(shape), D(shape[0] * shape[1] * shape[2]), 4)
"""


def body(before="", init="pass", forward="pass", build="pass"):
    return BODY.format(before=before, init=init, forward=forward, build=build)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Writes modules of a package `lab` (or files beside it), and forgets what was imported of them."""
    monkeypatch.syspath_prepend(str(tmp_path / "code"))

    def write(text, name="lab/__init__.py"):
        file = tmp_path / "code" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        for module in [each for each in sys.modules if each.partition(".")[0].startswith("lab")]:
            del sys.modules[module]
        importlib.invalidate_caches()

    yield write
    for module in [each for each in sys.modules if each.partition(".")[0].startswith("lab")]:
        del sys.modules[module]


@pytest.fixture
def spec(tmp_path, data_root, monkeypatch, no_losses_figure):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))

    def make(*overrides, target="lab.mine", folder="runs"):
        return make_spec(tmp_path / folder, *OWN, "~model", f"+model._target_={target}", *overrides)

    return make


def numbers(directory):
    rows = read_metrics(directory / "metrics.csv")
    return [{key: value for key, value in row.items() if key != "train_seconds"} for row in rows]


DRAWS = {
    "numpy": body(forward="x = x + torch.from_numpy(np.random.normal(size=x.shape)).float()"),
    "random": body(forward="x = x * random.gauss(1.0, 0.1)", build="random.random()"),
    "torch": body(forward="x = x + torch.randn_like(x)"),
    "buffer": body(
        init='self.register_buffer("calls", torch.zeros(()))', forward="self.calls += 1; x = x * (1 + self.calls)"
    ),
    "state": body(
        before="class Noise(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__(); self.g = torch.Generator(); self.g.manual_seed(torch.randint(2**31, ()).item())\n"
        "    def get_extra_state(self): return self.g.get_state()\n"
        "    def set_extra_state(self, state): self.g.set_state(state)\n",
        init="self.noise = Noise()",
        forward="x = x + torch.randn(x.shape, generator=self.noise.g)",
    ),
}

CANNOT = {
    "attribute": (body(init="self.calls = 0", forward="self.calls += 1; x = x / self.calls"), "discriminator.calls"),
    "late": (body(init="self.calls = 0", forward="self.calls += 1; x = x * (self.calls < 900)"), "discriminator.calls"),
    "generator": (
        body(
            init="self.g = torch.Generator().manual_seed(3)", forward="x = x + torch.randn(x.shape, generator=self.g)"
        ),
        "discriminator.g",
    ),
    "numpy": (
        body(init="self.g = np.random.default_rng(3)", forward="x = x * self.g.normal()"),
        "discriminator.g",
    ),
    "global": (body(before="CALLS = [0]", forward="CALLS[0] += 1; x = x / CALLS[0]"), "lab.CALLS"),
    "class": (
        body(before="class Counter:\n    calls = 0", forward="Counter.calls += 1; x = x / Counter.calls"),
        "lab.Counter.calls",
    ),
    "closure": (
        body(
            "def scaled():\n    n = itertools.count(1)\n    return lambda x: x / next(n)\nscale = scaled()",
            forward="x = scale(x)",
        ),
        "lab.scale.n",
    ),
    "entropy": (body(before="import os", forward="x = x * (1 + os.urandom(1)[0])"), "equal steps"),
    "cache": (
        body().replace("def mine", "import functools\n@functools.lru_cache\ndef mine"),
        "built twice",
    ),
    "unknown": (
        body("def count():\n    yield from itertools.count(1)\nN = count()", forward="x = x / next(N)"),
        "equal",
    ),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_own_code_that_draws_from_global_generators_gives_the_same_bits(lab, spec, kind):
    lab(DRAWS[kind])
    first, again, longer = spec(folder="a"), spec(folder="b"), spec("trainer.epochs=3", folder="b")
    assert run.execute(first).state is State.COMPLETED
    random.random(), np.random.random(), torch.rand(3)
    run.execute(again)
    assert numbers(first.directory) == numbers(again.directory)
    run.execute(longer)  # goes on after the second epoch
    run.execute(alone := spec("trainer.epochs=3", folder="c"))
    assert numbers(longer.directory) == numbers(alone.directory)


@pytest.mark.parametrize("kind", CANNOT)
def test_what_cannot_be_repeated_is_refused_before_any_work(lab, spec, kind):
    text, told = CANNOT[kind]
    lab(text)
    with pytest.raises(ConfigError, match="not reproducible") as error:
        run.execute(refused := spec())
    assert told in str(error.value)
    assert "own_code_random=allow" in str(error.value)
    assert not refused.directory.exists()


def test_the_rehearsal_leaves_no_trace(lab, spec):
    lab(DRAWS["numpy"])
    prepared = spec()
    run.execute(prepared)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    problems, shared, _ = rehearse(prepared)
    assert random.getstate() == states[0]
    assert (np.random.get_state()[1] == states[1]).all()
    assert torch.equal(torch.get_rng_state(), states[2])
    assert problems == shared == []


def test_allowed_it_is_said_and_never_continued_from(lab, spec):
    lab(CANNOT["entropy"][0])
    run.execute(short := spec("own_code_random=allow"))
    done = run.execute(longer := spec("own_code_random=allow", "trainer.epochs=3"))
    assert done.message.startswith(NOT_REPRODUCIBLE)
    assert RunFolder(longer.directory).status().note == NOT_REPRODUCIBLE
    result = json.loads((longer.directory / "result.json").read_text())
    assert result["provenance"]["own_code"]["note"] == NOT_REPRODUCIBLE
    assert len(numbers(longer.directory)) == 3
    assert numbers(longer.directory)[:2] != numbers(short.directory)  # another training: nothing was taken from it
    with pytest.raises(ConfigError, match="own_code_random=allow"):
        run.execute(spec())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (body(build="torch.manual_seed(0)"), "same weights (discriminator.layer.weight"),
        (body(forward="torch.manual_seed(0)"), "torch's generator, which own code seeds itself"),
        (body(forward="np.random.seed(1)"), "numpy's generator, which own code seeds itself"),
        (DRAWS["state"].replace("torch.randint(2**31, ()).item()", "3"), "discriminator.noise._extra_state"),
    ],
)
def test_seeds_that_share_their_weights_or_draws_are_told(lab, spec, text, told):
    lab(text)
    _, shared, _ = rehearse(spec())
    assert any(told in each for each in shared)


def test_an_edited_module_is_refused_with_its_file_until_a_key_says_what_it_is(lab, spec, tmp_path):
    lab("from lab.layers import mine")
    lab(body(before="def later():\n    from . import lazy\n"), "lab/layers.py")
    lab("WIDTH = 1", "lab/lazy.py")
    first = spec()
    run.execute(first)
    before = numbers(first.directory)
    lab("WIDTH = 2", "lab/lazy.py")
    for overrides in ((), ("trainer.epochs=3",), ("trainer.epochs=1",)):
        with pytest.raises(ConfigError, match=r"lab[/.]lazy.*changed_code=own_run") as error:
            run.execute(spec(*overrides))
        assert str(tmp_path / "code" / "lab" / "lazy.py") in str(error.value)
    own = spec("changed_code=own_run")
    assert own.identity.run_id != first.identity.run_id
    assert run.execute(own).state is State.COMPLETED
    same = spec("changed_code=same_run")
    assert same.identity.run_id == first.identity.run_id
    assert run.execute(same).message.startswith("already done; own code: ")
    assert numbers(first.directory) == before
    assert "said to be the same" in read_code(first.directory).note
    assert run.execute(spec()).state is State.COMPLETED  # the last answer counts from now on


def test_sources_are_followed_wherever_they_lie(lab, tmp_path, monkeypatch):
    lab("import importlib, lab_tools, torch\ndef f():\n    importlib.import_module('.deep', __package__)\nmine = 1")
    lab("from .. import ghost", "lab/deep.py")
    lab("X = 1", "lab_tools.py")
    importlib.import_module("lab")
    assert set(sources(["lab.mine"])) == {"lab", "lab.deep", "lab_tools"}
    before = sources(["lab.mine"])
    (tmp_path / "code" / "lab_tools.py").write_text("X = 22")
    assert {name for name, value in sources(["lab.mine"]).items() if value != before[name]} == {"lab_tools"}
    lab("Y = 1", "labspace/part/one.py")  # namespace packages
    assert set(sources(["labspace.part.one.mine"])) == {"labspace", "labspace.part", "labspace.part.one"}
    (tmp_path / "code" / "labc.so").write_bytes(b"\x7fELF")
    (tmp_path / "code" / "labc.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    assert sources(["labc.mine"])["labc"] != "none"


def test_a_zip_counts_with_its_modules(tmp_path, monkeypatch):
    import zipfile

    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        archive.writestr("labzip/__init__.py", "from .a import b")
        archive.writestr("labzip/a.py", "b = 1")
    monkeypatch.syspath_prepend(str(tmp_path / "own.zip"))
    assert set(sources(["labzip.mine"])) == {"labzip", "labzip.a"}


def test_directories_without_a_record_are_read_as_before(lab, spec):
    lab(body())
    first = spec()
    run.execute(first)
    (first.directory / ".hydra" / "own_code.json").unlink()
    lab(body(before="# a comment"))
    assert run.execute(spec()).message == "already done"
