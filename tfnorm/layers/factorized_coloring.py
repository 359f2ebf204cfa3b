"""Coloring by class for many classes: matrices composed of a few that all classes share."""

import typing

import keras
import tensorflow as tf

from tfnorm.functional import coloring
from tfnorm.functional.labels import rows_of_labels_or_nan
from tfnorm.layers import base
from tfnorm.layers.arguments import (
    Constraint,
    ConstraintLike,
    Initializer,
    InitializerLike,
    Regularizer,
    RegularizerLike,
    check_positive,
    get_constraint,
    get_initializer,
    get_regularizer,
)
from tfnorm.layers.conditional import Conditional, color_inputs
from tfnorm.layers.matrices import add_matrices


@keras.saving.register_keras_serializable(package="tfnorm")
class FactorizedColoring(Conditional):
    """Mixes channels by a matrix of the sample's class, composed of a few that all classes share.

    `y = K_c^T x` at each position, with `K_c = sum_r a_{c,r} K_r` and `a_c` the class's row of
    `class_matrix` over its length (a row shorter than 1e-6 is divided by that). The conditional
    part of the paper's coloring by soft assignment, which adds a `Coloring`; for many classes.

    ```python
    layer = tfnorm.FactorizedColoring(num_classes=100, rank=10)
    y = layer(np.random.normal(size=(2, 4, 4, 8)), labels=np.array([3, 77]))
    assert layer.kernel.shape == (10, 8, 8) and layer.class_matrix.shape == (100, 10)
    ```

    Args:
        num_classes: number of classes.
        rank: number of shared matrices; the authors take 4 for 10 classes and 10 for 100.
        axis: the channels' axis, usually -1 or 1.
        kernel_initializer: of the shared matrices at once, which Glorot's takes for positions of a
            convolution, as in the authors' code: its limit is sqrt(6 / (rank * 2 channels)).
            `Orthogonal` and `Identity` make each shared matrix.
        kernel_regularizer, kernel_constraint: of each shared matrix, as of a Dense's.
        class_matrix_initializer, class_matrix_regularizer, class_matrix_constraint: of the classes'
            coefficients.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        labels: integers in [0, num_classes), (batch,) or (batch, 1). Others are an
            InvalidArgumentError, and under XLA, which has no assertions, give NaN.

    Attributes:
        kernel: (rank, channels, channels), input channels before output channels.
        class_matrix: (classes, rank).

    Reference:
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019,
        https://arxiv.org/abs/1806.00420 (cWC_sa).
    """

    kernel: keras.Variable
    class_matrix: keras.Variable

    def __init__(
        self,
        num_classes: int,
        rank: int,
        axis: int = -1,
        kernel_initializer: InitializerLike = "glorot_uniform",
        class_matrix_initializer: InitializerLike = "glorot_uniform",
        kernel_regularizer: RegularizerLike | None = None,
        class_matrix_regularizer: RegularizerLike | None = None,
        kernel_constraint: ConstraintLike | None = None,
        class_matrix_constraint: ConstraintLike | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(num_classes, axis=axis, **kwargs)
        self.rank = check_positive("rank", rank)
        self.kernel_initializer: Initializer = get_initializer(kernel_initializer)
        self.class_matrix_initializer: Initializer = get_initializer(class_matrix_initializer)
        self.kernel_regularizer: Regularizer | None = get_regularizer(kernel_regularizer)
        self.class_matrix_regularizer: Regularizer | None = get_regularizer(
            class_matrix_regularizer
        )
        self.kernel_constraint: Constraint | None = get_constraint(kernel_constraint)
        self.class_matrix_constraint: Constraint | None = get_constraint(class_matrix_constraint)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        self.kernel = add_matrices(
            self,
            "kernel",
            (self.rank, self._channels, self._channels),
            self.kernel_initializer,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        self.class_matrix = self.add_weight(
            name="class_matrix",
            shape=(self.num_classes, self.rank),
            initializer=self.class_matrix_initializer,
            regularizer=self.class_matrix_regularizer,
            constraint=self.class_matrix_constraint,
            autocast=False,
        )

    def call(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        inputs = self.as_compute(inputs)
        labels = self.checked_labels(labels, inputs)
        # In float32 at least: float16 rounds the epsilon to 0.
        class_matrix = self.as_statistics(self.class_matrix)
        coefficients = rows_of_labels_or_nan(class_matrix, labels, self.num_classes)
        coefficients = coloring.unit_rows(coefficients)
        kernel = tf.convert_to_tensor(self.kernel)
        coefficients = tf.cast(coefficients, kernel.dtype)
        if inputs.shape.rank == 2:
            return coloring.color_vectors(inputs, coefficients, kernel)
        kernels = coloring.mixed_kernels(coefficients, kernel)
        return color_inputs(inputs, kernels, None, self.axis)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "rank": self.rank,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "class_matrix_initializer": keras.initializers.serialize(self.class_matrix_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "class_matrix_regularizer": keras.regularizers.serialize(self.class_matrix_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "class_matrix_constraint": keras.constraints.serialize(self.class_matrix_constraint),
        }
