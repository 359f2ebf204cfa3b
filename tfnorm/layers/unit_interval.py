"""The interval [0, 1] as a Keras constraint."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfnorm")
class UnitInterval(keras.constraints.Constraint):
    """Keeps a weight's entries between 0 and 1: what is outside becomes the nearer bound.

    Theorems 3.2 and 3.3 of unitization are for such an alpha:

    ```python
    tfnorm.Unitization(alpha_constraint=tfnorm.UnitInterval())
    ```

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
        Unitizing Layers' Outputs", CVPR 2020.
    """

    def __call__(self, w: keras.Variable | tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(tf.convert_to_tensor(w), 0.0, 1.0)
