"""The classifiers of both papers."""

from classify.networks import mlp, resnet_cifar, resnet_imagenet, vgg
from classify.networks.resnet_imagenet import ARCS, whitened_sites

# Modules with `classifier`, and `check`, which refuses what it cannot build.
MODELS = {
    "mlp": mlp,
    "resnet_cifar": resnet_cifar,
    "resnet_imagenet": resnet_imagenet,
    "vgg": vgg,
}

__all__ = ["ARCS", "MODELS", "whitened_sites"]
