"""Networks: the options in `networks`, built of `generator`, `discriminator` and the layers in `parts`."""

from ganexp.model.networks import dcgan, mlp, mlp_2014, resnet

OPTIONS = (dcgan, mlp, mlp_2014, resnet)  # what `_target_` may name in conf/model

__all__ = ["OPTIONS", "dcgan", "mlp", "mlp_2014", "resnet"]
