"""Scale and shift as a Keras layer of its own."""

import keras
import tensorflow as tf

from tfnorm.functional.coloring import scale_and_shift
from tfnorm.layers import base


@keras.saving.register_keras_serializable(package="tfnorm")
class CenterScale(base.ScaleAndShift):
    """Scales and shifts each channel: `y = gamma * x + beta`.

    The recovery of BatchNormalization as a layer of its own, after a normalization with
    `center=False, scale=False`.

    ```python
    whitening = tfnorm.BatchWhitening(center=False, scale=False)
    model = keras.Sequential([whitening, tfnorm.CenterScale()])
    model.build((None, 8))
    assert [weight.name for weight in model.trainable_weights] == ["gamma", "beta"]
    ```

    Args:
        axis: the channels' axis, usually -1 or 1.
        center: whether to add `beta`, (channels,).
        scale: whether to multiply by `gamma`, (channels,).
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint: as in BatchNormalization.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        gamma, beta = self.gamma_and_beta(self.compute_dtype)
        return scale_and_shift(self.as_compute(inputs), gamma, beta, self.axis)
