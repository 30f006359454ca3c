"""What the rooms hand to each other: importing it imports no torch.

images: datasets, samplers, scores. training: networks, losses, penalties, optimizers. schedule: factors over time.
bounds: ranges of settings, and their validators. errors, endings: what is refused, and how runs and commands end.
rng: randomness derived from the seed. nested: dotted keys. terminal, streams: words and standard streams.
"""

from ganexp.types.images import Dataset, ImageShape, LabelledSampler, Sampler, Scores
from ganexp.types.training import GAN, AdversarialLoss, Augment, Critic, Optimizer, Penalty

__all__ = [
    "GAN",
    "AdversarialLoss",
    "Augment",
    "Critic",
    "Dataset",
    "ImageShape",
    "LabelledSampler",
    "Optimizer",
    "Penalty",
    "Sampler",
    "Scores",
]
