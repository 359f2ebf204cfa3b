"""TensorFlow's fused batch normalization, the unit of all times."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.Layer):
    """Calls `tf.compat.v1.nn.fused_batch_norm` and does nothing else.

    In training no moving average follows the batch; in inference mean and variance are weights.
    The kernel takes images: the sizes between batch and channels become one, so that a vector is
    an image of one pixel, which moves no data.
    """

    def build(self, input_shape: Sequence[int]) -> None:
        *sizes, channels = input_shape[1:]
        self._image = (-1, math.prod(sizes), 1, channels)
        shape = (channels,)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
        self.variance = self.add_weight(
            name="variance", shape=shape, initializer="ones", trainable=False
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        statistics = {} if training else {"mean": self.mean.value, "variance": self.variance.value}
        y, *_ = tf.compat.v1.nn.fused_batch_norm(
            tf.reshape(inputs, self._image),
            self.gamma.value,
            self.beta.value,
            epsilon=1e-3,
            is_training=training,
            **statistics,
        )
        return tf.reshape(y, tf.shape(inputs))
