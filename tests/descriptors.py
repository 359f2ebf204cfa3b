"""The table of layers over which the contract runs: one row for each way to build one."""

import typing

import keras
import numpy as np
import tensorflow as tf

import tfnorm


class Row(typing.NamedTuple):
    """A layer, how to make it, and the shape of its input without the batch axis.

    The channels are the last of `shape`; the sizes before them may vary from call to call.
    `has_axis` is whether the layer takes an argument `axis`. `num_classes` is None for a layer that
    is called without labels; the domains of one with statistics by domain are its labels.
    """

    name: str
    make: typing.Callable[..., keras.layers.Layer]
    shape: tuple[int, ...] = (3, 4, 5)
    has_axis: bool = True
    num_classes: int | None = None

    @property
    def layer_class(self):
        return type(self.make())

    def inputs(self, batch=6, seed=0, spatial=None):
        """Standard normal float32 inputs about 0.5; `spatial` in place of the row's own sizes."""
        shape = self.shape if spatial is None else (*spatial, self.shape[-1])
        raw = np.random.default_rng(seed).normal(0.5, 1.0, size=(batch, *shape))
        return raw.astype(np.float32)

    def arguments(self, x, positions=1):
        """What the layer is called with, a list: x, and a label for each sample if it takes any.

        As many samples as `positions` in a row have the same label.
        """
        x = tf.convert_to_tensor(x)
        if self.num_classes is None:
            return [x]
        return [x, tf.range(tf.shape(x)[0]) // positions % self.num_classes]

    def model(self, layer, shape):
        """The layer in a functional model, of a list as `arguments` gives it."""
        inputs = [keras.Input(shape)]
        if self.num_classes is not None:
            inputs.append(keras.Input((), dtype="int32"))
        return keras.Model(inputs, layer(*inputs))


def _layer(cls, **options):
    return lambda **others: cls(**(options | others))


def _whitening(method, estimate):
    # Five channels: two groups of two, and a last group of one.
    return _layer(tfnorm.BatchWhitening, method=method, estimate=estimate, group_size=2)


def _spectral(cls, *args):
    return lambda **others: tfnorm.SpectralNormalization(cls(*args), **others)


CLASSES = 3
CONDITIONAL = {
    "conditional_center_scale": (tfnorm.ConditionalCenterScale, CLASSES),
    "conditional_coloring": (tfnorm.ConditionalColoring, CLASSES),
    "factorized_coloring": (tfnorm.FactorizedColoring, CLASSES, 2),
}

ROWS = [
    *(
        Row(f"whitening_{method}_{estimate}", _whitening(method, estimate))
        for method in tfnorm.functional.WHITENERS
        for estimate in ("covariance", "matrix")
    ),
    Row(
        "whitening_by_domain",
        _layer(tfnorm.BatchWhitening, group_size=2, domains=CLASSES),
        num_classes=CLASSES,
    ),
    Row("unitization", _layer(tfnorm.Unitization, alpha_initializer="random_normal")),
    Row("unitization_of_vectors", _layer(tfnorm.Unitization, alpha_initializer="ones"), (5,)),
    Row(
        "unitization_of_raw_input",
        _layer(tfnorm.Unitization, normalize=False, alpha_initializer="random_normal"),
    ),
    Row("group_whitening", _layer(tfnorm.GroupWhitening, groups=2), (4, 5, 6)),
    Row("group_whitening_by_channel", _layer(tfnorm.GroupWhitening, groups=-1, method="zca")),
    Row("center_scale", _layer(tfnorm.CenterScale, gamma_initializer="random_normal")),
    Row("coloring", _layer(tfnorm.Coloring, group_size=2)),
    *(
        Row(name, lambda cls=cls, args=args, **others: cls(*args, **others), num_classes=CLASSES)
        for name, (cls, *args) in CONDITIONAL.items()
    ),
    Row("spectral_dense", _spectral(keras.layers.Dense, 3), (5,), has_axis=False),
    Row("spectral_conv", _spectral(keras.layers.Conv2D, 3, 3), has_axis=False),
    Row("spectral_center_scale", _spectral(tfnorm.CenterScale), has_axis=False),
    Row("spectral_coloring", _spectral(tfnorm.Coloring), has_axis=False),
    Row("spectral_coloring_in_groups", _spectral(tfnorm.Coloring, 2), has_axis=False),
    *(
        Row(f"spectral_{name}", _spectral(*made_with), has_axis=False, num_classes=CLASSES)
        for name, made_with in CONDITIONAL.items()
    ),
]


def trained(layer, row):
    """Moves the state of a layer from where it starts: by three calls, and at random."""
    for seed in range(3):
        layer(*row.arguments(row.inputs(seed=seed)), training=True)
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(weight + rng.normal(scale=0.1, size=weight.shape))
    return layer


def public_layers():
    """The layer classes that `tfnorm` exports, but for those that are not between layers.

    `Whitening` does not train, and `CovariancePooling` leaves no positions.
    """
    exported = [getattr(tfnorm, name) for name in tfnorm.__all__]
    return {
        value
        for value in exported
        if isinstance(value, type) and issubclass(value, keras.layers.Layer)
    } - {tfnorm.Whitening, tfnorm.CovariancePooling}
