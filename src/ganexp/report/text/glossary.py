"""The header words of the page's tables, each explained: on hover, and in its glossary."""

from __future__ import annotations

GLOSSARY = {
    "rank": "Place by the objective; the half of the reference images that is not reported chose the order.",
    "cfd": "Distance of generated from real images in the features of a classifier of the data set; lower is better.",
    "rfd": "The same distance in features that no label trained; lower is better.",
    "fid": "Fréchet distance in the features of Inception-v3; lower is better.",
    "kid": "Kernel distance in the features of Inception-v3; lower is better.",
    "inception_score": "How sure and how varied Inception-v3 is about the images; higher is better.",
    "precision": "Share of generated images that lie among real ones.",
    "recall": "Share of real images that lie among generated ones: low where images lack variety.",
    "density": "As precision, but counting how many real images each generated one lies near; about 1 for real images.",
    "coverage": "Share of real images with a generated one nearby.",
    "memorization": "Share of generated images that are copies of training images.",
    "parzen_ll": "Log-likelihood under a Parzen window, in nats; a historical measure.",
    "d_near_half": "Share of images to which the discriminator gives 0.4 to 0.6.",
    "95 % interval": "Where the mean over new seeds lies, with 95 % confidence; drawn as a bar, single seeds as ticks.",
    "× floor": "The value as a multiple of what real images score against real images, and a word for it.",
    "against the best": "Whether the setting can be told from the best one, over all settings together at 5 %.",
    "seeds": "Finished runs with different random numbers; of how many, where some are missing.",
    "best epoch": "The value at the epoch that was best.",
    "at epoch": "Which epoch was best, on average over seeds.",
    "time a run": "Training time of one run, on average over seeds.",
    "notes": "What ended runs badly.",
    "epoch": "One pass over the training images.",
    "generator step": "One update of the generator; a small batch has more of them in an epoch.",
    "setting": "What differs between runs, without the seed.",
}
