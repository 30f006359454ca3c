"""What all loggers share: failures that stay away from the run, rows logged once, options that match their YAML."""

import inspect
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ganexp.logger
from ganexp.logger.base import Guarded, require
from ganexp.types.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "logger"
ROW = {"epoch": 1, "step": 10, "d_loss": 0.5, "cfd": None}


class Recorder:
    """Remembers its calls; raises while `broken`, each time after `seconds` of the clock."""

    def __init__(self, broken=False, seconds=0.0):
        self.calls, self.broken, self.seconds, self.now, self.tries = [], broken, seconds, 0.0, 0

    def clock(self):
        return self.now

    def _call(self, *call):
        self.tries += 1
        if self.broken:
            self.now += self.seconds
            raise ConnectionError("network gone")
        self.calls.append(call)

    def start(self, run_dir, config, run_id, steps_done=0):
        self._call("start", run_dir, config, run_id, steps_done)

    def log(self, row, step):
        self._call("log", row, step)

    def picture(self, name, path, step):
        self._call("picture", name, path, step)

    def finish(self, state):
        self._call("finish", state)


def guarded(recorder):
    return Guarded("recorder", recorder, clock=recorder.clock)


def test_calls_reach_the_logger_without_empty_cells(tmp_path):
    recorder = Recorder()
    logger = guarded(recorder)
    logger.start(tmp_path, {"seed": 0}, "abc")
    logger.log(ROW, 10)
    logger.picture("samples", tmp_path / "x.png", 10)
    logger.finish("COMPLETED")
    assert recorder.calls == [
        ("start", tmp_path, {"seed": 0}, "abc", 0),
        ("log", {"epoch": 1, "step": 10, "d_loss": 0.5}, 10),
        ("picture", "samples", tmp_path / "x.png", 10),
        ("finish", "COMPLETED"),
    ]


def test_what_was_logged_before_a_resume_is_not_logged_again(tmp_path):
    recorder = Recorder()
    logger = guarded(recorder)
    logger.start(tmp_path, {}, "abc", 20)
    for step in (10, 20, 30):
        logger.log(ROW, step)
        logger.picture("samples", tmp_path, step)
    assert [call[-1] for call in recorder.calls] == [20, 30, 30]  # start, row and picture of step 30


def test_failures_are_warned_of_once_and_the_logger_is_used_again_when_it_works(tmp_path, caplog):
    recorder = Recorder()
    logger = guarded(recorder)
    logger.start(tmp_path, {}, "abc")
    recorder.broken = True
    with caplog.at_level(logging.WARNING):
        logger.log(ROW, 10)
        logger.picture("samples", tmp_path, 10)
        logger.log(ROW, 20)
    assert len(caplog.records) == 1
    assert "logger=recorder failed (ConnectionError: network gone)" in caplog.text
    assert "metrics.csv has them all" in caplog.text
    recorder.broken = False
    logger.log(ROW, 30)
    logger.finish("COMPLETED")
    assert [call[0] for call in recorder.calls] == ["start", "log", "finish"]


def test_a_slow_failure_is_not_tried_again_soon(tmp_path):
    recorder = Recorder(seconds=30.0)
    logger = guarded(recorder)
    logger.start(tmp_path, {}, "abc")
    recorder.broken, recorder.tries = True, 0
    for step in range(1, 101):
        recorder.now += 10.0
        logger.log(ROW, step)
    assert recorder.now - 1000.0 <= 0.1 * 1000.0 + 30.0
    assert 2 <= recorder.tries <= 4


def test_a_failed_start_is_tried_again_with_later_rows(tmp_path):
    recorder = Recorder(broken=True)
    logger = guarded(recorder)
    logger.start(tmp_path, {}, "abc")
    logger.log(ROW, 10)
    recorder.broken = False
    logger.log(ROW, 20)
    assert [call[0] for call in recorder.calls] == ["start", "log"]


def test_what_never_started_is_not_finished(tmp_path):
    recorder = Recorder()
    logger = guarded(recorder)
    logger.finish("FAILED")
    logger.log(ROW, 10)
    recorder.broken = True
    logger.start(tmp_path, {}, "abc")
    recorder.broken = False
    logger.finish("FAILED")
    assert recorder.calls == []


def test_an_interrupt_passes_through(tmp_path):
    class Interrupted(Recorder):
        def log(self, row, step):
            raise KeyboardInterrupt

    logger = guarded(Interrupted())
    logger.start(tmp_path, {}, "abc")
    with pytest.raises(KeyboardInterrupt):
        logger.log(ROW, 10)


def test_a_missing_package_is_refused_naming_the_extra():
    with pytest.raises(ConfigError, match=r"pip install ganexp\[wandb\]"):
        require("no_such_package_of_ours", "wandb")


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")])
def test_every_tracking_tool_is_refused_without_its_package(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    for loaded in [key for key in sys.modules if key.startswith(("torch.utils.tensorboard", f"{module}."))]:
        monkeypatch.delitem(sys.modules, loaded)
    with pytest.raises(ConfigError, match=rf"logger={name}: .* pip install ganexp\[{name}\]"):
        getattr(ganexp.logger, name)()


def test_csv_leaves_nothing(tmp_path):
    logger = ganexp.logger.csv()
    logger.start(tmp_path, {}, "abc")
    logger.log(ROW, 10)
    logger.picture("samples", tmp_path / "missing.png", 10)
    logger.finish("COMPLETED")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["csv", "tensorboard", "wandb", "mlflow"])
def test_the_yaml_spells_out_every_parameter_with_its_default(name):
    content = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert content.pop("_target_") == f"ganexp.logger.{name}"
    parameters = inspect.signature(getattr(ganexp.logger, name)).parameters
    assert content == {key: parameter.default for key, parameter in parameters.items()}
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())


def test_every_yaml_is_an_option_of_the_package():
    assert {path.stem for path in CONF.glob("*.yaml")} == {option.__name__ for option in ganexp.logger.OPTIONS}


def test_importing_the_group_imports_no_tracking_tool_and_no_torch():
    code = "import sys, ganexp.logger; assert not {'torch', 'tensorboard', 'wandb', 'mlflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
