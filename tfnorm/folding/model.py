"""A trained model to the same function without normalization layers."""

import typing

import keras

from tfnorm import copying, keras_internals
from tfnorm.calls import arguments, call_in_place
from tfnorm.difference import relative_difference
from tfnorm.folding.graph import is_functional
from tfnorm.folding.matrices import copy_with_matrices, keep_matrices
from tfnorm.folding.planning import plan


def fold_normalization(
    model: keras.Model, samples: typing.Any = None, *, matrices_only: bool = False
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
    called with a `mask` which its inputs do not carry, and a `BatchWhitening` with statistics by
    domain: `select_domain` makes the model of one domain, which folds.

    A `BatchWhitening` that stays, wherever it is (a subclass excepted), becomes one with
    `estimate="matrix"`, its matrices those of the moving covariances: they are computed here once,
    and not in every inference call. With `matrices_only=True` nothing else is changed.

    ```python
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(16, 3), tfnorm.BatchWhitening()]
    )
    images = np.random.normal(size=(4, 8, 8, 3)).astype("float32")
    folded, difference = tfnorm.fold_normalization(model, images)
    assert difference < 1e-4
    assert not any(isinstance(layer, tfnorm.BatchWhitening) for layer in folded.layers)
    ```

    Args:
        model: a functional or Sequential model, built, without a `call` of its own; with
            `matrices_only` any that is built, and that its `get_config` makes again. It is not
            changed.
        samples: what the model takes (an array, or a list or dict of arrays), or None.
        matrices_only: whether all layers stay, with the same names and weights but for the
            matrices. The new model computes the same numbers in inference (as a graph those of
            "itn" but for rounding), at the price of `estimate="matrix"`. It can be trained on, and
            then its moving averages are those of the matrices.

    Returns:
        `(folded, difference)`: a functional model (with `matrices_only` one of the kind of `model`)
        with weights of its own, not compiled, to be used in inference only unless `matrices_only`;
        and the largest `max |a - b| / max |a|` over the outputs a of `model` and b of `folded` on
        `samples`, masked positions too, and inf where the outputs carry different masks; None
        without samples.

    Raises:
        ValueError: for a model of another kind, or one that is not built.
    """
    if matrices_only:
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(f"`model` must be a Keras model, built. Received: model={model!r}")
        folded = copy_with_matrices(model)
    else:
        if not is_functional(model):
            raise ValueError(
                "`model` must be a functional or Sequential Keras model, built, without a `call` "
                f"of its own. Received: model={model!r}"
            )
        folded = _folded(model, unmasked_inputs=False)
        keep_matrices(folded)
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
        copies.append((operation, copying.built_like(operation)))
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
