"""The interval [0, 1] as a Keras constraint."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfnorm")
class UnitInterval(keras.constraints.Constraint):
    """Keeps a weight's entries between 0 and 1: what is outside becomes the nearer bound.

    Theorems 3.2 and 3.3 of unitization are for such an alpha:

    ```python
    layer = tfnorm.Unitization(alpha_constraint=tfnorm.UnitInterval())
    layer.build((None, 3))
    assert np.all(layer.alpha.constraint(tf.constant([-1.0, 0.5, 2.0])) == [0.0, 0.5, 1.0])
    ```

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
        Unitizing Layers' Outputs", CVPR 2020, supplement, Theorems 3.2 and 3.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """

    def __call__(self, w: keras.Variable | tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(tf.convert_to_tensor(w), 0.0, 1.0)
