"""The network of a configuration."""

import dataclasses

from classify.networks import MODELS, resnet_imagenet
from harness.norms import norm_factory

# BatchNormalization where a variant has no whitening, as the authors of batch whitening have it.
_ELSEWHERE = {"norm": "bn", "group_size": None, "groups": None, "epsilon": 1e-5}

# Of each model what `variant` may be, and the arguments that it stands for.
VARIANTS = {
    "mlp": {"plain": {}, "linear": {"linear": True}},
    "vgg": {"plain": {}},
    "resnet_cifar": {"plain": {}, "bottleneck": {"bottleneck": True}},
    "resnet_imagenet": {"plain": {}, **{arc: {"arc": arc} for arc in resnet_imagenet.ARCS}},
}


def make_model(config, shape, num_classes):
    """The Keras model: images (n, *shape), scaled, to logits (n, num_classes).

    Args:
        config: a `config.Config`.
        shape: (height, width, channels) of an image.
        num_classes: number of classes.

    Raises:
        ValueError: there is no such network.
    """
    variants = VARIANTS[config.model]
    if config.variant not in variants:
        raise ValueError(
            f"`variant` of {config.model} must be one of {list(variants)}. "
            f"Received: variant={config.variant!r}"
        )
    arguments = dict(variants[config.variant])
    norm = norm_factory(config, groups=config.groups)
    if (arc := arguments.pop("arc", None)) is not None:
        elsewhere = dataclasses.replace(config, **_ELSEWHERE, recovery="scale_shift")
        sites = resnet_imagenet.whitened_sites(arc, config.depth)
        norm = _placed(norm, sites, norm_factory(elsewhere))
        arguments["last"] = resnet_imagenet.ARCS[arc].last
    return MODELS[config.model].classifier(
        norm,
        shape=shape,
        num_classes=num_classes,
        depth=config.depth,
        width=config.width,
        **arguments,
    )


def _placed(norm, sites, elsewhere):
    """A factory that is `norm` at some sites, by their names, and `elsewhere` at the others."""
    return lambda name: (norm if name in sites else elsewhere)(name)
