"""`logger=mlflow`: an MLflow tracking server, database or folder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ganexp.files import plan
from ganexp.logger.base import Guarded, Logger, require
from ganexp.types.nested import dotted

RUN_ID_TAG = "ganexp.run_id"
PARAMS_PER_CALL = 100  # MLflow's own limits
PARAM_LENGTH = 6000

STATUS = {"COMPLETED": "FINISHED", "PRUNED": "KILLED", "INTERRUPTED": "KILLED"}
"""ganexp's states in MLflow's terms; every other one is FAILED."""


class _MLflow:
    def __init__(self, mlflow: ModuleType, tracking_uri: str | None, experiment: str) -> None:
        self._mlflow, self._tracking_uri, self._experiment = mlflow, tracking_uri, experiment
        self._client: Any = None
        self._id, self._logged_until = "", -1

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None:
        self._client = self._mlflow.MlflowClient(tracking_uri=self._tracking_uri or _place_of(run_dir))
        experiment_id = self._experiment_id()
        runs = self._client.search_runs([experiment_id], f"tags.`{RUN_ID_TAG}` = '{run_id}'", max_results=1)
        if runs:
            self._id = runs[0].info.run_id
            # MLflow cannot replace a row: those that a former attempt got to are kept, being the same.
            history = self._client.get_metric_history(self._id, "epoch")
            self._logged_until = max((metric.step for metric in history), default=-1)
            self._client.update_run(self._id, status="RUNNING")
            return
        run = self._client.create_run(experiment_id, tags={RUN_ID_TAG: run_id}, run_name=run_dir.name)
        self._id, self._logged_until = run.info.run_id, -1
        param = self._mlflow.entities.Param
        params = [param(key, str(value)[:PARAM_LENGTH]) for key, value in dotted(config).items() if value != {}]
        for first in range(0, len(params), PARAMS_PER_CALL):
            self._client.log_batch(self._id, params=params[first : first + PARAMS_PER_CALL])

    def _experiment_id(self) -> str:
        if (experiment := self._client.get_experiment_by_name(self._experiment)) is None:
            try:
                return str(self._client.create_experiment(self._experiment))
            except self._mlflow.MlflowException:  # another run of the sweep was faster
                if (experiment := self._client.get_experiment_by_name(self._experiment)) is None:
                    raise
        return str(experiment.experiment_id)

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        if step > self._logged_until:
            metric, now = self._mlflow.entities.Metric, int(time.time() * 1000)
            metrics = [metric(key, value, now, step) for key, value in row.items() if key != "step"]
            self._client.log_batch(self._id, metrics=metrics)

    def picture(self, name: str, path: Path, step: int) -> None:
        self._client.log_artifact(self._id, str(path), name)  # the same file name again replaces it

    def finish(self, state: str) -> None:
        self._client.set_tag(self._id, "ganexp.files.status", state)
        self._client.set_terminated(self._id, status=STATUS.get(state, "FAILED"))


def _place_of(run_dir: Path) -> str | None:
    """mlruns/ in the sweep directory, or in that of a run by itself; None where MLflow's own settings name a place."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    in_sweep = (run_dir.parent / plan.FILE).exists()
    return (run_dir.absolute().parent if in_sweep else run_dir.absolute()).joinpath("mlruns").as_uri()


def mlflow(*, tracking_uri: str | None = None, experiment: str = "ganexp") -> Logger:
    """Track with MLflow; a run is found again by its tag `ganexp.run_id`.

    `tracking_uri` is a server, database or folder; None for $MLFLOW_TRACKING_URI, or else the folder mlruns in the
    sweep or run directory. The `experiment` is created if missing.
    """
    # MLflow's own patience with a dead server (7 tries of 120 s with growing pauses) would stop training for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    return Guarded("mlflow", _MLflow(require("mlflow", "mlflow"), tracking_uri, experiment))
