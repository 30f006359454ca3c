"""logger=mlflow against a stand-in that keeps mlflow's rules: 100 params a call, set once; metrics only added to."""

import os
import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

from ganexp.logger import mlflow


class MlflowException(Exception):
    pass


class Server:
    def __init__(self):
        self.experiments, self.runs, self.addresses = {}, {}, []


class Client:
    server: Server

    def __init__(self, tracking_uri=None):
        self.server.addresses.append(tracking_uri)

    def get_experiment_by_name(self, name):
        found = self.server.experiments.get(name)
        return found and SimpleNamespace(experiment_id=found)

    def create_experiment(self, name):
        if name in self.server.experiments:
            raise MlflowException("RESOURCE_ALREADY_EXISTS")
        self.server.experiments[name] = str(len(self.server.experiments) + 1)
        return self.server.experiments[name]

    def create_run(self, experiment_id, tags, run_name):
        run_id = f"run{len(self.server.runs)}"
        self.server.runs[run_id] = SimpleNamespace(
            info=SimpleNamespace(run_id=run_id, experiment_id=experiment_id, run_name=run_name, status="RUNNING"),
            tags=dict(tags),
            metrics=[],
            params={},
            artifacts={},
        )
        return self.server.runs[run_id]

    def search_runs(self, experiment_ids, filter_string, max_results):
        key, value = re.fullmatch(r"tags\.`([\w.]+)` = '(\w+)'", filter_string).groups()
        runs = [run for run in self.server.runs.values() if run.info.experiment_id in experiment_ids]
        return [run for run in runs if run.tags.get(key) == value][:max_results]

    def get_metric_history(self, run_id, key):
        return [metric for metric in self.server.runs[run_id].metrics if metric.key == key]

    def update_run(self, run_id, status):
        self.server.runs[run_id].info.status = status

    set_terminated = update_run

    def log_batch(self, run_id, metrics=(), params=()):
        run = self.server.runs[run_id]
        assert len(params) <= 100
        for param in params:
            assert len(param.value) <= 6000
            assert param.key not in run.params
            run.params[param.key] = param.value
        run.metrics += metrics

    def log_artifact(self, run_id, local_path, artifact_path):
        self.server.runs[run_id].artifacts[f"{artifact_path}/{local_path.rsplit('/', 1)[1]}"] = local_path

    def set_tag(self, run_id, key, value):
        self.server.runs[run_id].tags[key] = value


@pytest.fixture
def server(monkeypatch):
    package = ModuleType("mlflow")
    package.MlflowClient = type("MlflowClient", (Client,), {"server": Server()})
    package.MlflowException = MlflowException
    package.entities = SimpleNamespace(
        Param=lambda key, value: SimpleNamespace(key=key, value=value),
        Metric=lambda key, value, timestamp, step: SimpleNamespace(
            key=key, value=value, timestamp=timestamp, step=step
        ),
    )
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    return package.MlflowClient.server


def row(epoch):
    return {"epoch": epoch, "step": 10 * epoch, "d_loss": 0.1 * epoch, "cfd": None}


def attempt(logger, run_dir, epochs, steps_done=0, run_id="deadbeef", config=None):
    logger.start(run_dir, config or {}, run_id, steps_done)
    for epoch in epochs:
        logger.log(row(epoch), 10 * epoch)
        logger.picture("samples", run_dir / f"epoch_{epoch}.png", 10 * epoch)


def history(run, key="d_loss"):
    return [(metric.step, metric.value) for metric in run.metrics if metric.key == key]


def test_rows_params_pictures_and_state_arrive(server, tmp_path):
    logger = mlflow(tracking_uri="sqlite:///x.db", experiment="digits")
    config = {"optim": {"lr": 1e-4}, "long": "x" * 7000, "many": {str(i): i for i in range(150)}}
    attempt(logger, tmp_path, (1, 2), config=config)
    logger.finish("COMPLETED")
    (run,) = server.runs.values()
    assert server.addresses == ["sqlite:///x.db"]
    assert run.info.experiment_id == server.experiments["digits"]
    assert (run.info.run_name, run.info.status) == (tmp_path.name, "FINISHED")
    assert run.tags == {"ganexp.run_id": "deadbeef", "ganexp.files.status": "COMPLETED"}
    assert history(run) == [(10, 0.1), (20, 0.2)]
    assert {metric.key for metric in run.metrics} == {"epoch", "d_loss"}
    assert run.params["optim.lr"] == "0.0001"
    assert len(run.params) == 152
    assert list(run.artifacts) == ["samples/epoch_1.png", "samples/epoch_2.png"]


@pytest.mark.parametrize("steps_done", [0, 20])
def test_a_resumed_run_is_found_again_and_no_row_is_added_twice(server, tmp_path, steps_done):
    attempt(mlflow(), tmp_path, (1, 2, 3), config={"seed": 0})
    server.runs["run0"].info.status = "KILLED"
    attempt(mlflow(), tmp_path, range(steps_done // 10 + 1, 5), steps_done, config={"seed": 0})
    assert list(server.runs) == ["run0"]
    assert [step for step, _ in history(server.runs["run0"])] == [10, 20, 30, 40]
    assert server.runs["run0"].info.status == "RUNNING"


def test_another_run_gets_another_entry_in_the_same_experiment(server, tmp_path):
    attempt(mlflow(), tmp_path, (1,))
    attempt(mlflow(), tmp_path, (1,), run_id="cafe")
    assert len(server.runs) == 2
    assert len(server.experiments) == 1


def test_two_runs_may_create_the_experiment_at_once(server, tmp_path, monkeypatch):
    server.experiments["ganexp"] = "7"
    look = Client.get_experiment_by_name
    answers = iter([None])
    monkeypatch.setattr(Client, "get_experiment_by_name", lambda self, name: next(answers, look(self, name)))
    attempt(mlflow(), tmp_path, (1,))
    assert server.runs["run0"].info.experiment_id == "7"


@pytest.mark.parametrize(
    ("state", "status"), [("PRUNED", "KILLED"), ("INTERRUPTED", "KILLED"), ("FAILED", "FAILED"), ("DIVERGED", "FAILED")]
)
def test_states_in_the_words_of_mlflow(server, tmp_path, state, status):
    logger = mlflow()
    logger.start(tmp_path, {}, "deadbeef")
    logger.finish(state)
    assert server.runs["run0"].info.status == status


def test_a_dead_server_neither_ends_nor_stalls_the_run(server, tmp_path, monkeypatch, caplog):
    def fail(self, name):
        raise MlflowException("connection refused")

    monkeypatch.setattr(Client, "get_experiment_by_name", fail)
    logger = mlflow()
    attempt(logger, tmp_path, (1, 2))
    logger.finish("COMPLETED")
    assert caplog.text.count("logger=mlflow failed (MlflowException: connection refused)") == 1
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "20"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"  # the user's own choice stays


def test_without_an_address_it_writes_into_the_place_of_the_run_or_sweep(tmp_path, monkeypatch):
    from ganexp.logger.mlflow_logger import _place_of

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = tmp_path / "sweep" / "run"
    run.mkdir(parents=True)
    assert _place_of(run) == (run / "mlruns").as_uri()
    (run.parent / "plan.json").write_text("{}")
    assert _place_of(run) == (run.parent / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    assert _place_of(run) is None
