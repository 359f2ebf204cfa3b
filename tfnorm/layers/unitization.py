"""Unitization as a Keras layer."""

import typing

import keras
import tensorflow as tf

from tfnorm import functional
from tfnorm.functional import groups
from tfnorm.functional.coloring import scale_and_shift
from tfnorm.layers import base
from tfnorm.layers.arguments import (
    Constraint,
    ConstraintLike,
    Initializer,
    InitializerLike,
    Regularizer,
    RegularizerLike,
    check_boolean,
    get_constraint,
    get_initializer,
    get_regularizer,
)


@keras.saving.register_keras_serializable(package="tfnorm")
class Unitization(base.BatchStatistics):
    """Scales each sample by its norm, as far as a learned vector alpha says.

    With `normalize=True`, as the authors released it, embedded into batch normalisation:

        xh = (x - mean) / sqrt(variance + epsilon)
        y = gamma * (alpha / sqrt(q + epsilon) + 1 - alpha) * xh + beta

    with `q = ||xh||^2 / pixels^2` of each sample, over all its channels and pixels (pixels is the
    product of its spatial sizes, 1 for a vector): at alpha = 1 a feature map's norm before gamma is
    `pixels` and a vector's is 1. At alpha = 0, where it starts, it is BatchNormalization: the
    variance is the biased one (the released code multiplies it by m / (m - 1 - epsilon)).

    With `normalize=False` it is the supplement's practical g on the raw input: `xh = x`, the norm
    is `||x||` with no factor of pixels, and there are no moving statistics. The bounds of
    Theorem 3.4 hold for this form, and for the other with `pixels` in place of 1.

    ```python
    layer = tfnorm.Unitization(alpha_initializer="ones")
    y = keras.ops.convert_to_numpy(layer(np.random.normal(size=(16, 4, 4, 8)), training=True))
    norms = np.linalg.norm(y.reshape(16, -1), axis=1)
    assert np.allclose(norms, 4 * 4, rtol=0.05)  # the number of pixels
    ```

    Args:
        axis: the channels' axis, usually -1 or 1.
        momentum: weight of the old value in the moving averages, in [0, 1].
        epsilon: added to the variance and to the squared norm.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        alpha_initializer: of `alpha`.
        alpha_regularizer, alpha_constraint: of `alpha`, which may become any number without them.
            Theorems 3.2 and 3.3 are for [0, 1]: `alpha_constraint=tfnorm.UnitInterval()`.
        normalize: whether to normalise over the batch first.
        synchronized: whether mean and variance are those of the global batch over all replicas of a
            `tf.distribute` strategy.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer,
            beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: as in
            BatchNormalization.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        training: whether to use and to follow the batch's mean and variance. The sample's norm is
            always its own.
        mask: boolean, the shape of inputs without the channels' axis, as of a padded sequence, or
            with 1 in the place of a size, as (batch, 1), for all of its positions:
            where it is False, the position is scaled but counts in no statistic, nor in the
            sample's norm and its number of pixels.

    Attributes:
        alpha: (channels,).
        moving_mean, moving_variance: (channels,), with `normalize=True`.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
        Unitizing Layers' Outputs", CVPR 2020.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """

    alpha: keras.Variable
    moving_variance: keras.Variable

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        alpha_initializer: InitializerLike = "zeros",
        alpha_regularizer: RegularizerLike | None = None,
        alpha_constraint: ConstraintLike | None = None,
        normalize: bool = True,
        synchronized: bool = False,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike | None = None,
        gamma_regularizer: RegularizerLike | None = None,
        beta_constraint: ConstraintLike | None = None,
        gamma_constraint: ConstraintLike | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(
            axis=axis,
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            synchronized=synchronized,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.alpha_initializer: Initializer = get_initializer(alpha_initializer)
        self.alpha_regularizer: Regularizer | None = get_regularizer(alpha_regularizer)
        self.alpha_constraint: Constraint | None = get_constraint(alpha_constraint)
        self.normalize = check_boolean("normalize", normalize)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        self.alpha = self.add_channel_weight(
            "alpha", self.alpha_initializer, self.alpha_regularizer, self.alpha_constraint
        )
        if self.normalize:
            shape = (self._channels,)
            self.moving_mean = self.add_statistic(
                "moving_mean", shape, self.moving_mean_initializer
            )
            self.moving_variance = self.add_statistic(
                "moving_variance", shape, self.moving_variance_initializer
            )

    def call(
        self, inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        inputs, weights = self.masked(self.as_statistics(inputs), mask)
        x = groups.to_samples(inputs, self.axis)
        alpha = self.as_statistics(self.alpha)
        gamma, beta = self.gamma_and_beta(self.statistics_dtype)
        if weights is not None:
            weights = tf.reshape(weights, tf.shape(x)[:2])
        if not self.normalize:
            y = functional.practical_unitization(x, alpha, self.epsilon, weights=weights)
            y = scale_and_shift(y, gamma, beta)
        elif training and self.trainable:
            y, mean, variance = functional.batch_unitization(
                x,
                alpha,
                gamma,
                beta,
                epsilon=self.epsilon,
                weights=weights,
                sum_replicas=self.sum_replicas,
            )
            self.follow([self.moving_mean, self.moving_variance], [mean, variance])
        else:
            y = functional.apply_unitization(
                x,
                tf.convert_to_tensor(self.moving_mean),
                tf.convert_to_tensor(self.moving_variance),
                alpha,
                gamma,
                beta,
                epsilon=self.epsilon,
                weights=weights,
            )
        rows = tf.reshape(y, [-1, self._channels])
        return tf.cast(groups.from_rows(rows, inputs, self.axis), self.compute_dtype)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": keras.regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": keras.constraints.serialize(self.alpha_constraint),
            "normalize": self.normalize,
        }
