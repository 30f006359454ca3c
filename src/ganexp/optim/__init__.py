"""Optimizers over torch's functional updates."""

from ganexp.optim.optimizers import adam, adamw, rmsprop, sgd

OPTIONS = (adam, adamw, rmsprop, sgd)  # what `_target_` may name in conf/optim, beside torch.optim's own

__all__ = ["OPTIONS", "adam", "adamw", "rmsprop", "sgd"]
