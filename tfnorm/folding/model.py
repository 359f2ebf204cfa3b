"""A trained model to the same function without normalization layers."""

import typing

import keras

from tfnorm import copying, keras_internals
from tfnorm.calls import arguments, call_in_place
from tfnorm.difference import relative_difference
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

    What fits in nowhere becomes one layer, which hands on a mask: a Dense (for images without
    mixing, and with the channels not last, a `CenterScale` or `Coloring`). Behind a layer that ends
    masks, such as a convolution, nothing can carry one, and it is a convolution of size 1.
    `SpectralNormalization` becomes the layer it wraps, with the normalised kernel. `Unitization`
    stays, for its scale is each sample's own, with its batch normalisation in the layer before it
    if possible. Models within the model are folded as units, and called with the same masks. All
    other layers stay, and so does what is called with `training=True`, and a normalization that is
    called with a `mask` which its inputs do not carry.

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
        `folded` on `samples`, masked positions too, and inf where the outputs carry different
        masks; None without samples.

    Raises:
        ValueError: for a model of another kind, or one that is not built.
    """
    if not is_functional(model):
        raise ValueError(
            "`model` must be a functional or Sequential Keras model, built, without a `call` of "
            f"its own. Received: model={model!r}"
        )
    folded = _folded(model, unmasked_inputs=False)
    return folded, None if samples is None else relative_difference(model, folded, samples)


def _folded(model, unmasked_inputs):
    graph = keras_internals.graph_of(model)
    assert graph is not None, "`is_functional` has seen to that."
    # A model of one's own class, or compiled, may not be what its configuration says.
    graph = keras.Model(graph.input, graph.output, name=model.name)
    changes = plan(graph, _folded, unmasked_inputs)
    copies = []

    def clone(operation):
        if operation.name in changes:
            return changes[operation.name]
        copies.append((operation, copying.new_like(operation)))
        return copies[-1][1]

    def call(operation, *args, **kwargs):
        if operation is None:
            return args[0] if args else kwargs["inputs"]
        if operation.name not in changes:
            return operation(*args, **kwargs)
        # A layer stays if it was given a mask that the new one does not take.
        return call_in_place(operation, arguments(graph.get_layer(operation.name), args, kwargs))

    inputs = keras.tree.map_structure(copying.copy_input, graph.input)
    folded = keras.models.clone_model(graph, inputs, clone, call)
    for operation, copy in copies:
        if isinstance(operation, keras.Layer):
            copying.copy_state(operation, copy)
    return folded
