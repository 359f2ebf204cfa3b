"""The matrix that a layer maps by, of what Keras stores of it: plain, with LoRA, or quantised."""

import functools
import typing
from collections.abc import Callable

import keras
import tensorflow as tf

from tfnorm import keras_internals
from tfnorm.functional.spectral import divide_by_norm


class EffectiveKernel(typing.NamedTuple):
    """A kernel as the layer applies it, and how what is stored becomes that of a part of it.

    Attributes:
        value: the kernel, of the shape that it has before it is quantised.
        divide: from each stored variable that it is linear in, to a function of a norm. With all
            of these variables at what their functions return, the layer applies `value` / norm.
    """

    value: tf.Tensor
    divide: list[tuple[keras.Variable, Callable[[tf.Tensor], tf.Tensor]]]

    def divided(self, norm: tf.Tensor) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Pairs each stored variable with its value for the kernel divided by a norm."""
        return [(variable, divide(norm)) for variable, divide in self.divide]


def effective_kernel(layer: keras.layers.Layer, name: str, dtype: str) -> EffectiveKernel | None:
    """Reads a kernel of a layer.

    It is `W + (lora_alpha / lora_rank) A B`, the second term if the layer has LoRA. W is stored as
    it is (in float8 training too, where the layer rounds it itself), or as whole numbers: see
    `QUANTISED`.

    Args:
        layer: a layer that is built.
        name: the attribute, `kernel` or another.
        dtype: of the value.

    Returns:
        None if the layer has no such weight.
    """
    stored = keras_internals.stored_weight(layer, name)
    if stored is None:
        return None
    mode = layer.quantization_mode
    if mode not in QUANTISED:
        known = sorted(str(mode) for mode in QUANTISED)
        raise ValueError(
            f"A normalised layer's mode of quantization must be one of {known}. Received: "
            f"layer.quantization_mode={mode!r}, layer={layer!r}"
        )
    kernel = QUANTISED[mode](layer, name, stored, dtype)
    if not getattr(layer, "lora_enabled", False):
        return kernel
    a, b = (getattr(layer, f"lora_{name}_{factor}") for factor in "ab")
    right = tf.cast(b, dtype)
    update = layer.lora_alpha / layer.lora_rank * tf.matmul(tf.cast(a, dtype), right)
    divide_right = functools.partial(divide_by_norm, right)
    return EffectiveKernel(kernel.value + update, [*kernel.divide, (b, divide_right)])


def check_trainable(layer: keras.layers.Layer) -> None:
    """Checks that the gradient of a normalised layer reaches all that trains of its kernel.

    Keras gives none to the scales, by which the norm would reach the factors of LoRA.
    """
    if layer.quantization_mode in ("int8", "int4") and getattr(layer, "lora_enabled", False):
        raise ValueError(
            "A normalised layer that is trained must not have both LoRA and a quantised kernel. "
            f"Received: layer.quantization_mode={layer.quantization_mode!r}, "
            f"layer.lora_rank={layer.lora_rank}, layer={layer!r}"
        )


def _float(layer, name, stored, dtype):
    value = tf.cast(stored, dtype)
    return EffectiveKernel(value, [(stored, functools.partial(divide_by_norm, value))])


def _int8(layer, name, stored, dtype):
    return _per_channel(layer, name, tf.cast(stored, dtype), dtype)


def _int4(layer, name, stored, dtype):
    width = layer.output_dim if name == "embeddings" else _scale(layer, name).shape[-1]
    whole = keras.quantizers.unpack_int4(tf.convert_to_tensor(stored), width, axis=-1)
    whole = tf.cast(typing.cast(tf.Tensor, whole), dtype)
    in_blocks = hasattr(layer, f"{name}_zero")
    kernel = (_in_blocks if in_blocks else _per_channel)(layer, name, whole, dtype)
    if isinstance(layer, keras.layers.EinsumDense):  # which keeps a matrix
        kernel = kernel._replace(value=tf.reshape(kernel.value, layer.original_kernel_shape))
    return kernel


def _in_blocks(layer, name, whole, dtype):
    scale = _scale(layer, name)
    scales, zeros = tf.cast(scale, dtype), tf.cast(getattr(layer, f"{name}_zero"), dtype)
    block, axis = tf.cast(layer.g_idx, tf.int32), -1 if name == "embeddings" else 0
    above_zero = whole - tf.gather(zeros, block, axis=axis)
    value = above_zero * tf.gather(scales, block, axis=axis)
    return EffectiveKernel(value, [(scale, functools.partial(divide_by_norm, scales))])


def _per_channel(layer, name, whole, dtype):
    scale = _scale(layer, name)
    scales = tf.cast(scale, dtype)
    if name == "embeddings":
        value = whole / scales[:, tf.newaxis]
    elif isinstance(layer, keras.layers.EinsumDense) and layer.quantization_mode == "int8":
        value = whole / tf.cast(keras_internals.scale_of_einsum_kernel(layer), dtype)
    else:
        value = whole / scales

    def divide(norm):
        # 0 is the norm of zeros, which any scale leaves zeros.
        return scales * tf.where(norm == 0, tf.ones_like(norm), norm)

    return EffectiveKernel(value, [(scale, divide)])


def _scale(layer, name):
    return getattr(layer, f"{name}_scale")


# By the mode: a float kernel; whole numbers over a scale for each channel; and whole numbers of 4
# bits, packed, over such a scale, or, less a zero point, times a scale for each block of a channel.
QUANTISED = {None: _float, "float8": _float, "int8": _int8}
if keras_internals.packs_int4_by_output():
    QUANTISED["int4"] = _int4
