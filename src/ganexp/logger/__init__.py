"""Config group `logger`: where a run's rows and pictures go besides its own directory.

metrics.csv is always written, by the run itself; a logger is a copy for a tracking tool. Each option is one function
here and one YAML file in conf/logger; tracking packages are imported only by the option that needs them.
"""

from ganexp.logger.base import Logger, csv
from ganexp.logger.mlflow_logger import mlflow
from ganexp.logger.tensorboard_logger import tensorboard
from ganexp.logger.wandb_logger import wandb

OPTIONS = (csv, mlflow, tensorboard, wandb)
"""What `_target_` may name in conf/logger."""

__all__ = ["OPTIONS", "Logger", "csv", "mlflow", "tensorboard", "wandb"]
