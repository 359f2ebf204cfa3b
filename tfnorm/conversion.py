"""Another normalization in the place of BatchNormalization, in any Keras model."""

import inspect

import keras
import tensorflow as tf

from tfnorm.functional import groups
from tfnorm.layers.batch_whitening import BatchWhitening


def replace_batch_normalization(model, make_layer, select=None):
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
            converted too. A layer of another kind is copied from its `get_config`.
        make_layer: `make_layer(name, config)` returns the new layer, or a Sequential of several,
            for the BatchNormalization of that name and `get_config()`. Called once for a layer
            that is shared; each new one is trainable if the old one was.
        select: `select(name, config)` says whether to replace one. None replaces all.

    Returns:
        The new model, not compiled; of the class of `model` where that takes inputs and outputs, as
        `keras.Model` does. Where a BatchNormalization was called with `training` or `mask`, the new
        layer is too, if its `call` has an argument of that name.
    """
    if not isinstance(model, keras.Model) or not _has_graph(model):
        raise ValueError(
            "`model` must be a functional or Sequential model: the layers of another are out of "
            f"reach. Received: model={model!r}"
        )
    return _Conversion(make_layer, select or (lambda name, config: True)).convert(model)


class _Conversion:
    """Copies of layers, one for each layer however often it is used."""

    def __init__(self, make_layer, select):
        self._make_layer = make_layer
        self._select = select
        self._copies = {}  # layer: its copy; layers come before the models that they are in
        self._replaced = {}  # new layer: the BatchNormalization that it replaces

    def convert(self, model):
        copy = self._copy(model)
        pairs = [pair for pair in self._copies.items() if isinstance(pair[0], keras.Layer)]
        for old, new in pairs:
            if not _has_graph(old):
                _build_like(old, new)
                (_carry_over if new in self._replaced else _copy_state)(old, new)
        # Models first: setting a model's flag sets those of its layers.
        for old, new in reversed(pairs):
            if new.trainable != old.trainable:
                new.trainable = old.trainable
        return copy

    def _copy(self, layer):
        if layer not in self._copies:
            self._copies[layer] = self._copier_of(layer)(layer)
        return self._copies[layer]

    def _copier_of(self, layer):
        if isinstance(layer, keras.Sequential):
            return self._copy_sequential
        if _has_graph(layer):
            return self._copy_functional
        return self._replace if self._is_selected(layer) else self._copy_other

    def _copy_sequential(self, model):
        # One that was never called has no inputs yet.
        inputs = [_copy_input(tensor) for tensor in getattr(model, "inputs", [])]
        return keras.Sequential(inputs + [self._copy(x) for x in model.layers], name=model.name)

    def _copy_functional(self, model):
        # Of a compiled model clone_model compiles the copy, and fails if a loss is not registered.
        uncompiled = keras.Model(model.input, model.output, name=model.name)
        copy = keras.models.clone_model(
            uncompiled,
            input_tensors=keras.tree.map_structure(_copy_input, model.input),
            clone_function=self._copy,
            call_function=self._call,
        )
        try:
            return type(model)(inputs=copy.input, outputs=copy.output, name=model.name)
        except TypeError:  # a class with a constructor of its own
            return copy

    def _copy_other(self, layer):
        if isinstance(layer, keras.Layer):
            hidden = [inner.name for inner in layer._flatten_layers() if self._is_selected(inner)]
            if hidden:
                raise ValueError(
                    "A BatchNormalization to replace must be a layer of a functional or Sequential "
                    f"model, not part of another layer. Received: {hidden} within {layer!r}"
                )
        return type(layer).from_config(layer.get_config())

    def _is_selected(self, layer):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        return is_normalization and self._select(layer.name, layer.get_config())

    def _replace(self, layer):
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

    def _call(self, layer, *args, **kwargs):
        if layer not in self._replaced:
            return layer(*args, **kwargs)
        # Keras records arguments that nobody gave too, as mask=None.
        call = inspect.signature(self._replaced[layer].call).bind(*args, **kwargs)
        (_, inputs), *given = call.arguments.items()
        taken = inspect.signature(layer.call).parameters
        return layer(inputs, **{name: value for name, value in given if name in taken})


def _has_graph(layer):
    return isinstance(layer, keras.Sequential | keras.Function)


def _copy_input(tensor):
    layer = tensor._keras_history.operation
    return keras.layers.InputLayer.from_config(layer.get_config()).output


def _build_like(old, new):
    # Most are built by now, but not those of a Sequential that builds when it is called.
    if old.built and not new.built:
        new.build_from_config(old.get_build_config())


def _copy_state(old, new):
    # As when a model is saved and loaded: some layers have more to set than their weights.
    for part, copy in zip(old._flatten_layers(), new._flatten_layers(), strict=True):
        state = {}
        part.save_own_variables(state)
        copy.load_own_variables(state)


def _carry_over(old, new):
    values = {weight.name: weight for weight in old.weights}
    for weight in new.weights:
        if weight.name in values and weight.shape == values[weight.name].shape:
            weight.assign(values[weight.name])
    for layer in new._flatten_layers():
        if isinstance(layer, BatchWhitening) and layer.built:
            _set_moving_variances(layer, values["moving_variance"])


def _set_moving_variances(layer, variances):
    diagonal = layer.as_statistics(variances)
    if layer.estimate == "matrix":
        diagonal = tf.math.rsqrt(diagonal + layer.epsilon)
    for block, suffix in zip(
        groups.blocks(diagonal.shape[0], layer.group_size), ("", "_last"), strict=False
    ):
        part = diagonal[block.start : block.start + block.channels]
        matrices = tf.linalg.diag(tf.reshape(part, [block.groups, block.size]))
        getattr(layer, f"moving_{layer.estimate}{suffix}").assign(matrices)
