"""Datasets: one function each, which prepares its source once and returns memory-mapped images.

Importing this package imports neither torch, torchvision, scikit-learn nor Pillow; they are needed to prepare only.
"""

from ganexp.dataset.folder import image_folder
from ganexp.dataset.named import cifar10, digits, fashion_mnist, mnist
from ganexp.dataset.own import arrays

OPTIONS = (arrays, cifar10, digits, fashion_mnist, image_folder, mnist)
"""What `_target_` may name in conf/dataset."""

__all__ = ["OPTIONS", "arrays", "cifar10", "digits", "fashion_mnist", "image_folder", "mnist"]
