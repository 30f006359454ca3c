"""logger=wandb against a stand-in that keeps wandb's rules: steps never go back, resumed runs start after the last."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from ganexp.logger import wandb
from ganexp.types.errors import ConfigError


class Run:
    def __init__(self, history, starting_step):
        self.history, self.starting_step, self.summary, self.exit_code = history, starting_step, {}, None

    def log(self, data, step):
        assert step >= max(self.history, default=0), "wandb drops steps that go back, with a warning"
        self.history.setdefault(step, {}).update(data)

    def finish(self, exit_code):
        self.exit_code = exit_code


class Package(ModuleType):
    """wandb with its server."""

    def __init__(self, logged_in=True):
        super().__init__("wandb")
        self.logged_in, self.online, self.inits, self.runs = logged_in, {}, [], []
        self.Settings, self.Image = SimpleNamespace, lambda picture: ("image", picture.size)

    def login(self, *, prompt, verify):
        assert not prompt and not verify  # neither a question nor the network before work starts
        return self.logged_in

    def init(self, **arguments):
        self.inits.append(arguments)
        history = self.online.setdefault(arguments["id"], {}) if arguments["mode"] == "online" else {}
        self.runs.append(Run(history, max(history) + 1 if history else 0))
        return self.runs[-1]


@pytest.fixture
def package(monkeypatch):
    fake = Package()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def row(epoch):
    return {"epoch": epoch, "step": 10 * epoch, "d_loss": 0.1 * epoch, "cfd": None}


def attempt(logger, run_dir, epochs, steps_done=0):
    Image.new("L", (3, 2)).save(run_dir / "x.png")
    logger.start(run_dir, {"seed": 1}, "deadbeef", steps_done)
    for epoch in epochs:
        logger.log(row(epoch), 10 * epoch)
        logger.picture("samples", run_dir / "x.png", 10 * epoch)


def test_a_run_is_named_like_its_directory_and_known_by_its_id(package, tmp_path):
    logger = wandb(project="p", entity="e", group="g", tags=["t"])
    attempt(logger, tmp_path, (1, 2))
    logger.finish("COMPLETED")
    (arguments,) = package.inits
    settings = arguments.pop("settings")
    assert (settings.console, settings.silent) == ("off", True)
    assert settings.finish_timeout > 0
    assert arguments == {
        "project": "p",
        "entity": "e",
        "group": "g",
        "tags": ["t"],
        "mode": "online",
        "id": "deadbeef",
        "name": tmp_path.name,
        "dir": str(tmp_path),
        "config": {"seed": 1},
        "resume": "allow",
        "reinit": "finish_previous",
    }
    image = ("image", (3, 2))
    assert package.online["deadbeef"] == {
        10: {"epoch": 1, "d_loss": 0.1, "samples": image},
        20: {"epoch": 2, "d_loss": 0.2, "samples": image},
    }
    assert package.runs[0].summary == {"state": "COMPLETED"}


@pytest.mark.parametrize("steps_done", [0, 20])
def test_a_resumed_online_run_goes_on_after_its_last_step(package, tmp_path, steps_done):
    attempt(wandb(), tmp_path, (1, 2, 3))
    attempt(wandb(), tmp_path, range(steps_done // 10 + 1, 5), steps_done)
    assert package.runs[1].starting_step == 31
    assert list(package.online["deadbeef"]) == [10, 20, 30, 40]


def test_an_offline_run_that_is_resumed_holds_all_rows(package, tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,d_loss,cfd\n1,10,0.1,\n2,20,0.2,7.5\n3,30,9,9\n")
    attempt(wandb(mode="offline"), tmp_path, (3, 4), 20)
    history = package.runs[0].history
    assert list(history) == [10, 20, 30, 40]
    assert history[10] == {"epoch": 1.0, "d_loss": 0.1}
    assert history[20] == {"epoch": 2.0, "d_loss": 0.2, "cfd": 7.5}
    assert history[30]["d_loss"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("state", "code"), [("COMPLETED", 0), ("PRUNED", 0), ("FAILED", 1), ("DIVERGED", 1), ("INTERRUPTED", 1)]
)
def test_the_state_becomes_an_exit_code(package, tmp_path, state, code):
    logger = wandb()
    logger.start(tmp_path, {}, "deadbeef")
    logger.finish(state)
    assert package.runs[0].exit_code == code


def test_no_credentials_are_refused_before_work_unless_offline(package):
    package.logged_in = False
    with pytest.raises(ConfigError, match=r"expected credentials, got none\. Run `wandb login` first"):
        wandb()
    wandb(mode="offline")


def test_a_dead_network_does_not_end_the_run(package, tmp_path, monkeypatch, caplog):
    def fail(**arguments):
        raise TimeoutError("no answer")

    monkeypatch.setattr(package, "init", fail)
    logger = wandb()
    attempt(logger, tmp_path, (1, 2))
    logger.finish("COMPLETED")
    assert caplog.text.count("logger=wandb failed (TimeoutError: no answer)") == 1


@pytest.mark.parametrize(
    ("mode", "said", "used"), [(None, None, "online"), (None, "offline", "offline"), ("disabled", "online", "disabled")]
)
def test_the_environment_s_mode_counts_unless_told_otherwise(package, tmp_path, monkeypatch, mode, said, used):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if said is not None:
        monkeypatch.setenv("WANDB_MODE", said)
    attempt(wandb(mode=mode), tmp_path, [1])
    assert package.inits[0]["mode"] == used and package.inits[0]["dir"] == str(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(ConfigError, match="WANDB_MODE: expected online, offline, disabled, got 'sometimes'"):
        wandb()
