from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import open_dict

from ganexp.task import task
from ganexp.types.errors import ConfigError


def test_a_job_that_is_another_run_than_was_planned_does_nothing(
    loader: ConfigLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["dataset.num_images=48", "metrics=none", "hydra.mode=MULTIRUN", f"sweep.run_id='{'0' * 32}'"]
    cfg = loader.load_configuration("config", overrides, RunMode.RUN)
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = str(tmp_path)
    monkeypatch.setattr(HydraConfig.instance(), "cfg", cfg)
    with open_dict(cfg):
        job = cfg.copy()
        del job["hydra"]
    with pytest.raises(ConfigError, match=r"changed since the sweep was planned: expected run 0{32}, got "):
        task(job)
    assert list(tmp_path.iterdir()) == []
