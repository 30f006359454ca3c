"""The reference's loop under Ray Tune: `python ray_tune.py FOLDER ROOT IMAGES`; a folder that can be restored is."""

import sys
from pathlib import Path
from typing import Any

import torch
from ray import tune

BENCHMARKS = str(Path(__file__).parents[1])


def train(config: dict[str, Any]) -> None:
    """Train one setting, and report its losses after each epoch."""
    sys.path.insert(0, BENCHMARKS)
    from reference import loader, training

    torch.manual_seed(0)
    batches, step = loader(config["batch_size"], config["root"], config["images"]), training(config["lr"])
    for _ in range(config["epochs"]):
        d_loss, g_loss = torch.stack([torch.stack(step(real)) for real, _ in batches]).mean(dim=0).tolist()
        tune.report({"d_loss": d_loss, "g_loss": g_loss})


def main(folder: str, root: str, images: str) -> None:
    """Make the grid, or what is missing of it, and write its table."""
    grid = {"batch_size": [16, 36, 64], "epochs": [1, 2, 5], "lr": [1e-4, 1e-5]}
    space = {key: tune.grid_search(values) for key, values in grid.items()}
    trainable, place = tune.with_resources(train, {"cpu": 1}), Path(folder).resolve()
    if tune.Tuner.can_restore(str(place / "grid")):
        tuner = tune.Tuner.restore(str(place / "grid"), trainable, resume_unfinished=True, restart_errored=True)
    else:
        run = tune.RunConfig(name="grid", storage_path=str(place))
        tuner = tune.Tuner(trainable, param_space={**space, "root": root, "images": int(images)}, run_config=run)
    tuner.fit().get_dataframe().to_csv(place / "table.csv", index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
