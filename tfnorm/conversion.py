"""Another normalization in the place of BatchNormalization, in any Keras model."""

import collections.abc
import inspect
import typing

import keras
import tensorflow as tf

from tfnorm import copying, keras_internals
from tfnorm.layers.batch_whitening import BatchWhitening

# `(name, config)` of a BatchNormalization.
MakeLayer = collections.abc.Callable[[str, dict[str, typing.Any]], keras.Layer]
Select = collections.abc.Callable[[str, dict[str, typing.Any]], typing.Any]


def replace_batch_normalization(
    model: keras.Model, make_layer: MakeLayer, select: Select | None = None
) -> keras.Model:
    """Copies a model with other layers in the place of its BatchNormalization.

    ```python
    whitened = tfnorm.replace_batch_normalization(
        keras.applications.ResNet50(),
        lambda name, config: tfnorm.BatchWhitening(
            "cd", group_size=16, epsilon=config["epsilon"], name=name
        ),
    )
    ```

    All other weights are copied, and of a BatchNormalization's own (gamma, beta, moving_mean,
    moving_variance) those that the new layer has by the same name and shape. To a `BatchWhitening`
    the moving variances go as the diagonal of its moving covariance; with `estimate="matrix"` as
    `(variance + epsilon)^-1/2` on the diagonal of its moving matrix. So with the same epsilon the
    new model computes in inference, up to rounding, what the old one did: with `Unitization`, whose
    alpha starts at 0, and with BatchWhitening by "cd" or "zca", or by any method if its estimate is
    the matrix. From a covariance, "itn" whitens approximately, and "pca" puts the channels of a
    group into the order of their variances.

    Args:
        model: a functional or Sequential model, which is not changed. Models within it are
            converted too. A layer of another kind is copied from its `get_config`, with its state.
        make_layer: `make_layer(name, config)` returns the new layer, or a Sequential of several,
            for the BatchNormalization of that name and `get_config()`. Called once for a layer
            that is shared; each new one is trainable if the old one was.
        select: `select(name, config)` says whether to replace one. None replaces all.

    Returns:
        The new model, not compiled; of the class of `model` where that takes inputs and outputs, as
        `keras.Model` does. Where a BatchNormalization was called with `training` or `mask`, the new
        layer is too, if its `call` has an argument of that name.
    """
    if not isinstance(model, keras.Model) or not copying.has_graph(model):
        raise ValueError(
            "`model` must be a functional or Sequential model: the layers of another are out of "
            f"reach. Received: model={model!r}"
        )
    return _Conversion(make_layer, select or (lambda name, config: True)).copy(model)


class _Conversion(copying.ModelCopier):
    """A copy with new layers in the place of each BatchNormalization that is selected."""

    def __init__(self, make_layer, select):
        super().__init__()
        self._make_layer = make_layer
        self._select = select
        self._replaced = {}  # new layer: the BatchNormalization that it replaces

    def new_layer(self, operation):
        if self._is_selected(operation):
            return self._replacement(operation)
        if isinstance(operation, keras.Layer):
            inner = keras_internals.with_inner_layers(operation)
            hidden = [layer.name for layer in inner if self._is_selected(layer)]
            if hidden:
                raise ValueError(
                    "A BatchNormalization to replace must be a layer of a functional or Sequential "
                    f"model, not part of another layer. Received: {hidden} within {operation!r}"
                )
        return super().new_layer(operation)

    def hand_over(self, old, new):
        if new in self._replaced:
            copying.build_like(old, new)
            _carry_over(old, new)
        else:
            super().hand_over(old, new)

    def call(self, new, *args, **kwargs):
        if new not in self._replaced:
            return super().call(new, *args, **kwargs)
        # Keras records arguments that nobody gave too, as mask=None.
        call = inspect.signature(self._replaced[new].call).bind(*args, **kwargs)
        (_, inputs), *given = call.arguments.items()
        taken = inspect.signature(new.call).parameters
        return new(inputs, **{name: value for name, value in given if name in taken})

    def _is_selected(self, layer):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        return is_normalization and self._select(layer.name, layer.get_config())

    def _replacement(self, layer):
        new = self._make_layer(layer.name, layer.get_config())
        if not isinstance(new, keras.Layer):
            raise ValueError(
                f"`make_layer` must return a Keras layer. Received: {new!r} for {layer.name!r}"
            )
        if new.weights or new in self._replaced:
            raise ValueError(
                "`make_layer` must return a new layer in each call, one that is not built. "
                f"Received: {new!r} for {layer.name!r}"
            )
        self._replaced[new] = layer
        return new


def _carry_over(old, new):
    """Gives a new layer what it has in common with the BatchNormalization that it replaces."""
    values = {weight.name: weight for weight in old.weights}
    for weight in new.weights:
        if weight.name in values and weight.shape == values[weight.name].shape:
            weight.assign(values[weight.name])
    for layer in keras_internals.with_inner_layers(new):
        if isinstance(layer, BatchWhitening) and layer.built:
            _set_moving_variances(layer, values["moving_variance"])


def _set_moving_variances(layer, variances):
    diagonal = layer.as_statistics(variances)
    if layer.estimate == "matrix":
        diagonal = tf.math.rsqrt(diagonal + layer.epsilon)
    weights = layer.block_weights(f"moving_{layer.estimate}")
    for block, weight in zip(layer.blocks(layer.group_size), weights, strict=True):
        part = diagonal[block.start : block.start + block.channels]
        weight.assign(tf.linalg.diag(tf.reshape(part, [block.groups, block.size])))
