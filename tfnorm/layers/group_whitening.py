"""Group whitening as a Keras layer."""

import typing
import warnings

import keras
import tensorflow as tf

from tfnorm import functional
from tfnorm.functional import groups as rows_of_channels
from tfnorm.functional.whiteners import Device
from tfnorm.functional.whitening import find_scaling, find_whitener
from tfnorm.layers import base
from tfnorm.layers.arguments import (
    ConstraintLike,
    InitializerLike,
    RegularizerLike,
    check_device,
    check_epsilon,
    check_groups,
    check_positive,
)


@keras.saving.register_keras_serializable(package="tfnorm")
class GroupWhitening(base.ScaleAndShift):
    """Whitens the groups of channels of each sample, where GroupNormalization standardises them.

    A sample's values are a matrix X (groups, channels of a group * positions), and

        y = gamma * W (X - mean) + beta,    W (covariance + epsilon I) W^T = I,

    with mean and covariance of the sample alone. No sample sees another, there are no moving
    statistics, and training and inference are the same: for batches that are too small for
    `BatchWhitening`.

    ```python
    layer = tfnorm.GroupWhitening(groups=4)
    x = np.random.normal(size=(2, 8, 8, 16))
    y = layer(x)
    assert np.allclose(layer(x[:1]), y[:1], atol=1e-5)  # no sample sees another
    ```

    Args:
        groups: how many groups there are, a divisor of the channels; -1 is a group for each
            channel. Unlike in GroupNormalization more of them decorrelate more: with 1 it is
            GroupNormalization with one group, and warns of it.
        axis: the channels' axis, usually -1 or 1.
        epsilon: added to the covariance's diagonal.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        method: how W is found: "pca", "zca", "cd" or "itn", see `BatchWhitening`; the paper's are
            "zca" and, as here by default, "itn".
        iterations: steps of Newton's iteration, for "itn".
        scaling: what Newton's iteration divides the covariance by, for "itn": see `BatchWhitening`.
        device: where PCA and ZCA decompose: "cpu", "gpu", or None: the CPU if there is a GPU, else
            wherever TensorFlow likes.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint: as in GroupNormalization.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        training: changes no value. Second derivatives of "zca", as of a gradient penalty, are there
            in training only; exported models do without them.
        mask: boolean, the shape of inputs without the channels' axis, as of a padded sequence, or
            with 1 in the place of a size, as (batch, 1), for all of its positions:
            where it is False, the position is whitened but counts in no statistic.

    Raises:
        ValueError: `groups` does not divide the channels.

    Covariances are float32 whatever the compute dtype, float64 for float64. A sample with fewer
    than twice as many values in a group as there are groups has a covariance that is mostly noise:
    the layer warns of it once.

    Reference:
        Huang, Zhou, Liu, Shao, "Group Whitening: Balancing Learning Efficiency and Representational
        Capacity", CVPR 2021, https://arxiv.org/abs/2009.13333, section 3.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        method: str = "itn",
        iterations: int = 5,
        scaling: str = "trace",
        device: Device | None = None,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike | None = None,
        gamma_regularizer: RegularizerLike | None = None,
        beta_constraint: ConstraintLike | None = None,
        gamma_constraint: ConstraintLike | None = None,
        **kwargs: typing.Any,
    ) -> None:
        whitener = find_whitener(method)
        row = find_scaling(scaling)
        super().__init__(
            axis=axis,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.groups = check_groups(groups)
        self.epsilon = check_epsilon(epsilon)
        self.method = method
        self.iterations = check_positive("iterations", iterations)
        self.scaling = scaling
        self.device: Device | None = check_device(device)
        self._has_warned = False
        self.supports_jit = whitener.jit and not (whitener.iterates and row.decomposes)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        if self.groups > self._channels or self._channels % self.groups:
            raise ValueError(
                "`groups` must divide the number of channels. Received: "
                f"groups={self.groups}, input_shape={tuple(input_shape)}"
            )

    def call(
        self, inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        inputs, weights = self.masked(self.as_statistics(inputs), mask)
        x = rows_of_channels.to_samples(inputs, self.axis)
        gamma, beta = self.gamma_and_beta(self.statistics_dtype)
        if weights is not None:
            weights = tf.reshape(weights, tf.shape(x)[:2])
        self._warn_of_groups(x.shape[1])
        y = functional.group_whitening(
            x,
            gamma,
            beta,
            groups=self.count_groups(self._channels),
            method=self.method,
            epsilon=self.epsilon,
            iterations=self.iterations,
            scaling=self.scaling,
            device=self.device,
            weights=weights,
            derivatives=4 if training else 1,
            # Served with batches of any size, and perhaps without XLA.
            jit=training or inputs.shape[0] is not None,
        )
        rows = tf.reshape(y, [-1, self._channels])
        return tf.cast(rows_of_channels.from_rows(rows, inputs, self.axis), self.compute_dtype)

    def _warn_of_groups(self, pixels: int | None) -> None:
        count = self.count_groups(self._channels)
        values = 0 if pixels is None else pixels * self._channels // count
        warning = rows_of_channels.warning_of_groups(values, count)
        if warning is not None and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{self.name!r} whitens {warning}", stacklevel=2)

    def count_groups(self, channels: int) -> int:
        """Counts the groups of so many channels."""
        return channels if self.groups == -1 else self.groups

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "groups": self.groups,
            "epsilon": self.epsilon,
            "method": self.method,
            "iterations": self.iterations,
            "scaling": self.scaling,
            "device": self.device,
        }
