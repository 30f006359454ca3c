"""The reference's training as Lightning writes a GAN (manual optimization), under Hydra."""

import sys
from pathlib import Path
from typing import Any

import hydra
import lightning
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import CSVLogger
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import D_STEPS, LATENT, discriminator, generator, loader


class Gan(lightning.LightningModule):
    """Both networks, five discriminator steps for each of the generator's."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.save_hyperparameters()
        self.g, self.d, self.loss = generator(), discriminator(), nn.BCELoss()

    def configure_optimizers(self) -> Any:
        """Adam for both."""
        rate = self.hparams.rate
        return [torch.optim.Adam(self.g.parameters(), lr=rate), torch.optim.Adam(self.d.parameters(), lr=rate)]

    def training_step(self, batch: Any, index: int) -> None:
        """One step of the generator."""
        real, _ = batch
        optimizer_g, optimizer_d = self.optimizers()
        ones, zeros = torch.ones(len(real), 1, device=self.device), torch.zeros(len(real), 1, device=self.device)
        self.toggle_optimizer(optimizer_d)
        for _ in range(D_STEPS):
            fake = self.g(torch.randn(len(real), LATENT, device=self.device)).detach()
            d_loss = self.loss(self.d(real), ones) + self.loss(self.d(fake), zeros)
            optimizer_d.zero_grad()
            self.manual_backward(d_loss)
            optimizer_d.step()
        self.untoggle_optimizer(optimizer_d)
        self.toggle_optimizer(optimizer_g)
        g_loss = self.loss(self.d(self.g(torch.randn(len(real), LATENT, device=self.device))), ones)
        optimizer_g.zero_grad()
        self.manual_backward(g_loss)
        optimizer_g.step()
        self.untoggle_optimizer(optimizer_g)
        self.log_dict({"d_loss": d_loss, "g_loss": g_loss}, on_step=False, on_epoch=True)


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg: Any) -> None:
    """Train one setting; Lightning's logger and checkpoints write into the run's directory."""
    lightning.seed_everything(cfg.seed)
    folder = HydraConfig.get().runtime.output_dir
    logger = CSVLogger(folder, name="", version="")
    trainer = lightning.Trainer(
        max_epochs=cfg.epochs, accelerator="cpu", logger=logger, default_root_dir=folder, enable_progress_bar=False
    )
    trainer.fit(Gan(cfg.lr), loader(cfg.batch_size, cfg.root, cfg.images))


if __name__ == "__main__":
    main()
