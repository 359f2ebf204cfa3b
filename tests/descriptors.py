"""The table of layers over which the contract runs: one row for each way to build one."""

import typing

import keras
import numpy as np

import tfnorm


class Row(typing.NamedTuple):
    """A layer, how to make it, and the shape of its input without the batch axis.

    The channels are the last of `shape`; the sizes before them may vary from call to call.
    `has_axis` is whether the layer takes an argument `axis`.
    """

    name: str
    make: typing.Callable[..., keras.layers.Layer]
    shape: tuple[int, ...] = (3, 4, 5)
    has_axis: bool = True

    @property
    def layer_class(self):
        return type(self.make())

    def inputs(self, batch=6, seed=0, spatial=None):
        """Standard normal float32 inputs about 0.5; `spatial` in place of the row's own sizes."""
        shape = self.shape if spatial is None else (*spatial, self.shape[-1])
        raw = np.random.default_rng(seed).normal(0.5, 1.0, size=(batch, *shape))
        return raw.astype(np.float32)


def _layer(cls, **options):
    return lambda **others: cls(**(options | others))


def _whitening(method, estimate):
    # Five channels: two groups of two, and a last group of one.
    return _layer(tfnorm.BatchWhitening, method=method, estimate=estimate, group_size=2)


def _spectral(make_layer):
    return lambda **others: tfnorm.SpectralNormalization(make_layer(), **others)


ROWS = [
    *(
        Row(f"whitening_{method}_{estimate}", _whitening(method, estimate))
        for method in tfnorm.functional.WHITENERS
        for estimate in ("covariance", "matrix")
    ),
    Row("unitization", _layer(tfnorm.Unitization, alpha_initializer="random_normal")),
    Row("unitization_of_vectors", _layer(tfnorm.Unitization, alpha_initializer="ones"), (5,)),
    Row(
        "unitization_of_raw_input",
        _layer(tfnorm.Unitization, normalize=False, alpha_initializer="random_normal"),
    ),
    Row("center_scale", _layer(tfnorm.CenterScale, gamma_initializer="random_normal")),
    Row("coloring", _layer(tfnorm.Coloring, group_size=2)),
    Row("spectral_dense", _spectral(lambda: keras.layers.Dense(3)), (5,), has_axis=False),
    Row("spectral_conv", _spectral(lambda: keras.layers.Conv2D(3, 3)), has_axis=False),
    Row("spectral_coloring", _spectral(tfnorm.Coloring), has_axis=False),
]


def trained(layer, row):
    """Moves the state of a layer or model from where it starts: by three calls, and at random."""
    for seed in range(3):
        layer(row.inputs(seed=seed), training=True)
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(weight + rng.normal(scale=0.1, size=weight.shape))
    return layer


def public_layers():
    """The layer classes that `tfnorm` exports."""
    exported = [getattr(tfnorm, name) for name in tfnorm.__all__]
    return {
        value
        for value in exported
        if isinstance(value, type) and issubclass(value, keras.layers.Layer)
    }
