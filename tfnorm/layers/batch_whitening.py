"""Batch whitening as a Keras layer."""

import functools
import typing
import warnings
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfnorm import functional
from tfnorm.functional import groups
from tfnorm.functional.batch_whitening import initial_statistics
from tfnorm.functional.domains import for_each_domain
from tfnorm.functional.whiteners import Device
from tfnorm.functional.whitening import check_estimate, find_scaling, find_whitener
from tfnorm.layers import base
from tfnorm.layers.arguments import (
    ConstraintLike,
    InitializerLike,
    RegularizerLike,
    check_device,
    check_group_size,
    check_positive,
)
from tfnorm.layers.domains import StatisticsByDomain


@keras.saving.register_keras_serializable(package="tfnorm")
class BatchWhitening(StatisticsByDomain):
    """Whitens the channels over the mini-batch, where BatchNormalization standardises them.

    In training, in each group of channels,

        y = gamma * W (x - mean) + beta,    W (covariance + epsilon I) W^T = I,

    with mean and covariance over all axes but the channels' (divided by n, not by n - 1). In
    inference the same with moving statistics; a layer with `trainable=False` is in inference.

    ```python
    layer = tfnorm.BatchWhitening("zca", group_size=4, epsilon=1e-5)
    x = np.random.normal(size=(512, 8)) @ np.random.normal(size=(8, 8))
    y = keras.ops.convert_to_numpy(layer(x, training=True))
    covariance = np.cov(y, rowvar=False, bias=True)
    assert np.allclose(covariance[:4, :4], np.eye(4), atol=0.02)  # white within its group
    ```

    Args:
        method: how W is found among the matrices that whiten. "pca", by the eigenvectors of the
            covariance, the largest entry of each positive (has no gradient at equal eigenvalues);
            "zca", rotated back to the channels; "cd", the inverse of the Cholesky factor; "itn",
            Newton's iteration towards ZCA's, which whitens small eigenvalues less and needs matrix
            products only.
        group_size: channels in a group; None, or at least as many as there are, is one group. The
            last group takes what is left over. Statistics over fewer than twice as many rows (batch
            times positions) as a group has channels are mostly noise: the layer warns of it once,
            where it knows a batch's size as it is called: eagerly, and in `fit` of arrays or of
            batches made with `drop_remainder=True`.
        iterations: steps of Newton's iteration, for "itn".
        scaling: what Newton's iteration divides the covariance by, for "itn": its "trace", as in
            the paper, its "frobenius" norm, or its largest eigenvalue, "spectral". From left to
            right fewer steps do: the trace of white channels is their number, and after five steps
            256 of them have a deviation of 0.45, 16 of 0.97.
        estimate: what the moving average follows for inference: the "covariance", from which W is
            computed in each inference call, or the whitening "matrix" itself. Of a trained model
            `fold_normalization(model, matrices_only=True)` makes one that has W computed, for many
            calls and for exports.
        axis: the channels' axis, usually -1 or 1.
        momentum: weight of the old value in the moving averages, in [0, 1].
        epsilon: added to the covariance's diagonal where it is used, not where it is stored. By
            "pca", "zca" and "cd" no eigenvalue is taken to be less than what float32 resolves of
            that covariance.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        synchronized: whether statistics are those of the global batch over all replicas of a
            `tf.distribute` strategy. Otherwise each replica whitens its own part, and the moving
            averages follow the mean over replicas.
        device: where PCA and ZCA decompose: "cpu", "gpu", or None: the CPU if there is a GPU (GPUs
            are slow at many small decompositions), else wherever TensorFlow likes.
        moving_variance_initializer: of the diagonal of the moving covariance. With "matrix", the
            moving matrix starts with its inverse root.
        beta_initializer, gamma_initializer, moving_mean_initializer, beta_regularizer,
            gamma_regularizer, beta_constraint, gamma_constraint: as in BatchNormalization.
        domains: how many domains have statistics of their own, as in domain adaptation, where the
            layer is called with the domain, `layer(x, domain)`; None for one set of statistics.
            `gamma` and `beta` are shared: `ConditionalCenterScale` has them apart. With
            `group_size=1` it is BatchNormalization by domain, by any method.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        training: whether to use and to follow the batch's statistics.
        mask: boolean, the shape of inputs without the channels' axis, as of a padded sequence, or
            with 1 in the place of a size, as (batch, 1), for all of its positions:
            where it is False, the position is whitened but counts in no statistic.
        domain: with `domains`, an integer in [0, domains): one for the batch, or (batch,) or
            (batch, 1), one for each sample, as a functional model's input is. Of a mixed batch each
            domain's samples are whitened by their own statistics, at the cost of a weighted
            whitening of the whole batch for each domain; one that is not in it keeps its moving
            statistics. Others are an error, and under XLA, which has no assertions, give NaN.

    Attributes:
        moving_mean: (channels,).
        moving_covariance: (groups, size, size), without epsilon; `moving_covariance_last`
            (1, rest, rest) if there is a smaller last group. With `estimate="covariance"`.
        moving_matrix, moving_matrix_last: likewise, with `estimate="matrix"`.

    With `domains` each of these has one axis more, the first, of the domains. Synchronised
    replicas must be given the same domain, or one for each sample.

    Statistics are float32 whatever the compute dtype, float64 for float64. A batch that is not
    finite gives an output that is not, and leaves the moving statistics as they were.

    Reference:
        Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
        https://arxiv.org/abs/2003.12327, supplement, equations (1) to (10) and Algorithms I to III,
        by method in `tfnorm.functional.whitening_matrix`. "itn" is from Huang et al., "Iterative
        Normalization: Beyond Standardization towards Efficient Whitening", CVPR 2019,
        https://arxiv.org/abs/1904.03441. `domains` is the domain-specific whitening of Roy et al.,
        "Unsupervised Domain Adaptation using Feature-Whitening and Consensus Loss", CVPR 2019,
        https://arxiv.org/abs/1903.03215.
    """

    moving_covariance: keras.Variable
    moving_covariance_last: keras.Variable
    moving_matrix: keras.Variable
    moving_matrix_last: keras.Variable

    def __init__(
        self,
        method: str = "itn",
        group_size: int | None = 16,
        iterations: int = 5,
        scaling: str = "trace",
        estimate: str = "covariance",
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        synchronized: bool = False,
        device: Device | None = None,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike | None = None,
        gamma_regularizer: RegularizerLike | None = None,
        beta_constraint: ConstraintLike | None = None,
        gamma_constraint: ConstraintLike | None = None,
        domains: int | None = None,
        **kwargs: typing.Any,
    ) -> None:
        whitener = find_whitener(method)
        row = find_scaling(scaling)
        check_estimate(estimate)
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
            domains=domains,
            **kwargs,
        )
        self.method = method
        self.group_size = check_group_size(group_size)
        self.iterations = check_positive("iterations", iterations)
        self.scaling = scaling
        self.estimate = estimate
        self.device: Device | None = check_device(device)
        self._has_warned = False
        self.supports_jit = whitener.jit and not (whitener.iterates and row.decomposes)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        self.moving_mean = self.add_statistic(
            "moving_mean", self.by_domain((self._channels,)), self.moving_mean_initializer
        )

        def add(name: str, block: groups.Block) -> keras.Variable:
            shape = self.by_domain(block.matrices_shape)
            return self.add_statistic(
                name, shape, functools.partial(self._initial_matrices, block=block)
            )

        self.add_block_weights(f"moving_{self.estimate}", self.blocks(self.group_size), add)

    def call(
        self,
        inputs: tf.Tensor,
        training: bool = False,
        mask: tf.Tensor | None = None,
        domain: tf.Tensor | int | None = None,
    ) -> tf.Tensor:
        inputs, weights = self.masked(self.as_statistics(inputs), mask)
        rows = groups.to_rows(inputs, self.axis)
        is_training = training and self.trainable
        whiten = functools.partial(
            self._whiten_by_batch if is_training else self._whiten_by_moving,
            expected_rows=groups.expected_rows(inputs, self.axis),
        )
        if self.domains is None:
            share, y = 1, whiten(rows, weights)
        else:
            domain = self.domain_of_rows(domain, inputs)
            share = self.domains if domain.shape.rank else 1
            y = for_each_domain(whiten, rows, weights, domain, self.domains)
        n = rows.shape[0]
        if is_training and n is not None:
            self._warn_of_few_rows(n // share)
        return tf.cast(groups.from_rows(y, inputs, self.axis), self.compute_dtype)

    def _whiten_by_batch(
        self,
        rows: tf.Tensor,
        weights: tf.Tensor | None,
        expected_rows: int,
        **domain: tf.Tensor | int,
    ) -> tf.Tensor:
        """Whitens rows (n, channels) by their own statistics, and follows these."""
        gamma, beta = self.gamma_and_beta(self.statistics_dtype)
        y, mean, covariances, matrices = functional.batch_whitening(
            rows,
            gamma,
            beta,
            group_size=self.group_size,
            weights=weights,
            expected_rows=expected_rows,
            sum_replicas=self.sum_replicas,
            **self._whitening,
        )
        self.follow_batch(mean, covariances, matrices, **domain)
        return y

    def _whiten_by_moving(
        self,
        rows: tf.Tensor,
        weights: tf.Tensor | None,
        expected_rows: int,
        **domain: tf.Tensor | int,
    ) -> tf.Tensor:
        """Whitens rows (n, channels) by the moving statistics, whatever their weights."""
        return functional.apply_whitening(
            rows,
            self.statistic(self.moving_mean, **domain),
            self.inference_matrices(**domain),
            *self.gamma_and_beta(self.statistics_dtype),
            group_size=self.group_size,
            expected_rows=expected_rows,
        )

    def follow_batch(
        self,
        mean: tf.Tensor,
        covariances: Sequence[tf.Tensor],
        matrices: Sequence[tf.Tensor],
        domain: tf.Tensor | int | None = None,
    ) -> None:
        """Moves the moving statistics, or a domain's, towards a batch's, lists of one a block."""
        values = covariances if self.estimate == "covariance" else matrices
        self.follow([self.moving_mean, *self._moving], [mean, *values], domain)

    def inference_matrices(self, domain: tf.Tensor | int | None = None) -> list[tf.Tensor]:
        """Returns the whitening matrices of inference, one tensor (groups, size, size) a block.

        Of a layer with `domains` those of a domain, or of all, (domains, groups, size, size).
        """
        moving = [self.statistic(weight, domain) for weight in self._moving]
        if self.estimate == "matrix":
            return moving
        return functional.moving_matrices(moving, **self._whitening)

    def _warn_of_few_rows(self, rows: int) -> None:
        size = min(self.group_size or self._channels, self._channels)
        warning = groups.warning_of_few(rows, size)
        if warning is not None and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{self.name!r} whitens {warning}", stacklevel=2)

    @property
    def _moving(self) -> list[keras.Variable]:
        """What the moving average follows, one weight a block."""
        return self.block_weights(f"moving_{self.estimate}")

    @property
    def _whitening(self) -> dict[str, typing.Any]:
        return {
            "method": self.method,
            "epsilon": self.epsilon,
            "iterations": self.iterations,
            "scaling": self.scaling,
            "device": self.device,
        }

    def _initial_matrices(
        self, shape: tuple[int, ...], dtype: str, block: groups.Block
    ) -> tf.Tensor:
        """Makes a block's matrices of the variances of all channels, as BatchNormalization's."""
        sizes = self.by_domain((self._channels,))
        variances = tf.cast(self.moving_variance_initializer(sizes, dtype=dtype), dtype)
        variances = tf.gather(variances, range(block.span.start, block.span.stop), axis=-1)
        variances = tf.reshape(variances, shape[:-1])
        return initial_statistics(variances, self.estimate, self.epsilon)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "method": self.method,
            "group_size": self.group_size,
            "iterations": self.iterations,
            "scaling": self.scaling,
            "estimate": self.estimate,
            "device": self.device,
        }
