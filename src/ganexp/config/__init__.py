"""Hydra's words to a typed, identified run."""
