"""The classifiers of both papers."""

from classify.networks import mlp, resnet_cifar, resnet_imagenet, vgg

# Modules with `classifier`, and `check`, which refuses what it cannot build.
MODELS = {
    "mlp": mlp,
    "resnet_cifar": resnet_cifar,
    "resnet_imagenet": resnet_imagenet,
    "vgg": vgg,
}

__all__ = ["MODELS"]
