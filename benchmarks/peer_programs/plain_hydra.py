"""The reference's loop as a Hydra app: `python plain_hydra.py --multirun hydra/launcher=joblib lr=1e-4,1e-5 ...`."""

import csv
import sys
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import loader, training


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg: Any) -> None:
    """Train one setting; its losses by epoch are losses.csv in the run's directory."""
    torch.manual_seed(cfg.seed)
    batches, step = loader(cfg.batch_size, cfg.root, cfg.images), training(cfg.lr)
    folder, rows = Path(HydraConfig.get().runtime.output_dir), []
    for epoch in range(1, cfg.epochs + 1):
        losses = [torch.stack(step(real)) for real, _ in batches]
        d_loss, g_loss = torch.stack(losses).mean(dim=0).tolist()
        rows.append({"epoch": epoch, "d_loss": d_loss, "g_loss": g_loss})
    with (folder / "losses.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
