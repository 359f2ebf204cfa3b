"""Spectral normalization of a layer's kernel."""

import math

import keras
import tensorflow as tf

from tfnorm import functional
from tfnorm.layers import base
from tfnorm.layers.coloring import Coloring


@keras.saving.register_keras_serializable(package="tfnorm")
class SpectralNormalization(keras.layers.Wrapper):
    """Calls a layer with its kernel divided by the kernel's largest singular value.

    `W_bar = W / sigma(W)`, sigma by power iteration on W reshaped to (all axes but the last, last),
    one pair of products a training call. The stored kernel stays W, and the gradient goes through
    W / sigma(W) with the singular vectors held constant, as in the paper
    (`keras.layers.SpectralNormalization` overwrites the kernel and leaves sigma out of the
    gradient).

    Args:
        layer: a layer with a `kernel` (Dense, a convolution, `Coloring` of one group) or
            `embeddings`.
        power_iterations: iterations in a training call.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs, and others: the layer's.
        training: whether to iterate, and to keep the vector for the next call.

    Attributes:
        vector: (rows of W,), the left singular vector as far as it was found. It starts as a
            random normal one.

    Reference:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.
    """

    def __init__(self, layer, power_iterations=1, **kwargs):
        base.check_positive("power_iterations", power_iterations)
        super().__init__(layer, **kwargs)
        self.power_iterations = power_iterations

    def build(self, input_shape=None):
        super().build(input_shape)
        if not isinstance(self._kernel, keras.Variable):
            raise ValueError(
                "`layer` must have a weight named `kernel` or `embeddings`. "
                f"Received: layer={self.layer!r}"
            )
        if (
            isinstance(self.layer, Coloring)
            and self._kernel.shape[1] != input_shape[self.layer.axis]
        ):
            raise ValueError(
                "`layer` must be one linear map, a Coloring of one group. "
                f"Received: layer={self.layer!r} with group_size={self.layer.group_size}"
            )
        rows = math.prod(self._kernel.shape[:-1])
        self.vector = self.add_weight(
            name="vector",
            shape=(rows,),
            initializer="random_normal",
            dtype="float64" if self.compute_dtype == "float64" else "float32",
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

    def call(self, inputs, training=False, **kwargs):
        training = training and self.trainable
        kernel = tf.cast(self._kernel, self.vector.dtype)
        sigma, vector = functional.spectral_norm(
            tf.reshape(kernel, [-1, kernel.shape[-1]]),
            tf.convert_to_tensor(self.vector),
            iterations=self.power_iterations if training else 0,
        )
        if training:
            # A kernel that is 0 or not finite has no vector, and the next one starts from the last.
            found = tf.norm(vector) > 0.5
            self.vector.assign(tf.where(found, vector, tf.convert_to_tensor(self.vector)))
        normalised = tf.math.divide_no_nan(kernel, sigma)
        # The layer sees the normalised kernel for this call; what it stores is not touched.
        values = [
            (variable, normalised if variable is self._kernel else tf.convert_to_tensor(variable))
            for variable in self.layer.variables
        ]
        with keras.StatelessScope(state_mapping=values, collect_losses=True) as scope:
            y = self.layer(inputs, **kwargs)
        for loss in scope.losses:
            self.add_loss(loss)
        return y

    @property
    def _kernel(self):
        # Looked up, not kept: a weight that two layers hold is saved twice.
        return getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        config = super().get_config() | {"power_iterations": self.power_iterations}
        # Keras adds this once the layer is built; `build` of the wrapper sees to it anyway.
        config["layer"].pop("build_config", None)
        return config
