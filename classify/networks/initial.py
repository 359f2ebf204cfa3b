"""Initial weights of the networks, where PyTorch's ways are not Keras's defaults."""

import keras


def kaiming():
    """Makes an initializer: normal with deviation sqrt(2 / (k^2 out)), of a k x k kernel.

    A new one for each kernel: an initializer draws the same numbers each time.
    """
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def dense(x, units, name):
    """Applies a dense layer to x (n, inputs) that starts as `torch.nn.Linear` does: (n, units).

    Kernel and bias are uniform within 1 / sqrt(inputs).
    """
    bound = x.shape[-1] ** -0.5
    return keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.RandomUniform(-bound, bound),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        name=name,
    )(x)
