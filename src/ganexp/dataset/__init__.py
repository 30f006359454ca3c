"""Datasets: one function each, which prepares its source once and returns memory-mapped images.

- named, own, folder: the functions, for named datasets, npy files, and folders of pictures.
- load: from prepared files to a Dataset. prepared, npy, place: those files, their folders, their digests.
- fetch, listing, picture: what they are prepared from. given, zipped: images of other programs, to be scored.

All functions take these parameters, and raise DataError where data is missing, damaged, too small for what is asked, or
cannot be written:

- root: data root, whose folder "prepared" holds the prepared files; the user's cache where it cannot be written.
- image_size: height and width, in pixels.
- num_images: use the first n training images; None: all.
- name: name of the dataset, and of the folder of its prepared files.

Importing this package imports neither torch, torchvision, scikit-learn nor Pillow; they are needed to prepare only.
"""

from ganexp.dataset.folder import image_folder
from ganexp.dataset.named import cifar10, cifar100, digits, fashion_mnist, kmnist, mnist
from ganexp.dataset.own import arrays, medmnist

# What `_target_` may name in conf/dataset.
OPTIONS = (arrays, cifar10, cifar100, digits, fashion_mnist, image_folder, kmnist, medmnist, mnist)

__all__ = [
    "OPTIONS",
    "arrays",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "image_folder",
    "kmnist",
    "medmnist",
    "mnist",
]
