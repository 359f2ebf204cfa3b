"""A trained model to the same function without normalization layers."""

import typing

import keras
import numpy as np

from tfnorm import copying, keras_internals
from tfnorm.folding.graph import is_functional
from tfnorm.folding.planning import plan


def fold_normalization(
    model: keras.Model, samples: typing.Any = None
) -> tuple[keras.Model, float | None]:
    """Folds a model's normalization into its Dense layers and convolutions, for inference.

    In inference BatchNormalization, `BatchWhitening`, `CenterScale` and `Coloring` are affine maps
    of the channels. Each, or a chain of them, goes into the layer before it, else into the layer
    after it, where that is exact: the layer is a Dense or (depthwise, separable, transposed)
    convolution called once, nothing else uses what is between, and

    * before: it has no activation, and in groups (`groups`, or depthwise) the map mixes no two;
    * after: likewise, and it does not pad, or the map has no shift.

    What fits in nowhere becomes one layer: a Dense for vectors or under a mask, else a convolution
    of size 1, or, with the channels not last, `CenterScale` or `Coloring`. `SpectralNormalization`
    becomes the layer it wraps, with the normalised kernel. `Unitization` stays, for its scale is
    each sample's own, with its batch normalisation in the layer before it if possible. Models
    within the model are folded as units. All other layers stay, and so does what is called with
    `training=True`.

    ```python
    folded, difference = tfnorm.fold_normalization(model, images[:64])
    folded.export("model")
    ```

    Args:
        model: a functional or Sequential model, built. It is not changed.
        samples: what the model takes (an array, or a list or dict of arrays), or None.

    Returns:
        `(folded, difference)`: a functional model with weights of its own, to be used in inference
        only; and the largest `max |a - b| / max |a|` over the outputs a of `model` and b of
        `folded` on `samples`, None without samples.

    Raises:
        ValueError: for a model of another kind, or one that is not built.
    """
    if not is_functional(model):
        raise ValueError(
            "`model` must be a functional or Sequential Keras model, built, without a `call` of "
            f"its own. Received: model={model!r}"
        )
    folded = _folded(model)
    return folded, None if samples is None else _difference(model, folded, samples)


def _folded(model):
    graph = keras_internals.graph_of(model)
    assert graph is not None, "`is_functional` has seen to that."
    # A model of one's own class, or compiled, may not be what its configuration says.
    graph = keras.Model(graph.input, graph.output, name=model.name)
    changes = plan(graph, fold_model=_folded)
    copies = []

    def clone(operation):
        if operation.name in changes:
            return changes[operation.name]
        copies.append((operation, copying.new_like(operation)))
        return copies[-1][1]

    def call(operation, *args, **kwargs):
        if operation is None:
            return args[0] if args else kwargs["inputs"]
        if operation.name in changes:
            # The new layer does not know all arguments of the old one.
            kwargs = {
                key: value for key, value in kwargs.items() if key not in ("training", "mask")
            }
        return operation(*args, **kwargs)

    inputs = keras.tree.map_structure(copying.copy_input, graph.input)
    folded = keras.models.clone_model(graph, inputs, clone, call)
    for operation, copy in copies:
        if isinstance(operation, keras.Layer):
            copying.copy_state(operation, copy)
    return folded


def _difference(model, folded, samples):
    outputs, folded_outputs = (
        [np.asarray(y, np.float64) for y in keras.tree.flatten(function(samples, training=False))]
        for function in (model, folded)
    )
    return float(np.max(list(map(_relative, outputs, folded_outputs))))


def _relative(a, b):
    largest = np.max(np.abs(a))
    difference = np.max(np.abs(a - b))
    return difference / largest if difference else 0.0
