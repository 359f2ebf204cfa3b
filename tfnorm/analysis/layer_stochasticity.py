"""The disturbance of a trained model's normalization layers: which depends most on the batch."""

import collections.abc
import typing

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfnorm import calls, keras_internals
from tfnorm.analysis.layer_outputs import check_model
from tfnorm.analysis.stochasticity import check_sampling, disturbance
from tfnorm.layers.base import ChannelLayer
from tfnorm.layers.sites import normalization_sites


class LayerDisturbance(typing.NamedTuple):
    """A row of `layer_disturbances`.

    ```python
    from tfnorm.analysis.layer_stochasticity import LayerDisturbance

    row = LayerDisturbance(name="norm_1", kind="zca", channels=64, disturbance=0.1)
    assert row.kind == "zca"
    ```

    Attributes:
        name: the layer's.
        kind: its method, as "bn" or "itn": a `kind` of `layers.sites`.
        channels: of its input.
        disturbance: its SND.
    """

    name: str
    kind: str
    channels: int
    disturbance: float


def training_function(
    layer: keras.Layer,
) -> collections.abc.Callable[..., tf.Tensor]:
    """Makes a layer's function in training, without its effect on the layer's state.

    `disturbance` takes it for a single layer: the moving statistics stay as they are.

    Args:
        layer: a Keras layer, built.

    Returns:
        A function from a mini-batch to the layer's output for it. It takes a mask as well, which
        the layer is given if its call takes one.
    """
    takes_mask = calls.takes(layer, "mask")

    @tf.function(autograph=False)
    def call(x, mask=None):
        with keras.StatelessScope():
            options = {"mask": mask} if takes_mask else {}
            return layer(x, training=True, **options)

    return call


def layer_disturbances(
    model: keras.Model,
    images: typing.Any,
    batch_size: int,
    *,
    samples: int = 20,
    batches: int = 50,
    normalizer: str | None = "sqrt",
    seed: int = 0,
) -> list[LayerDisturbance]:
    """Measures the disturbance of each normalization layer of a trained model, on real data.

    What enters a layer is computed by the model in inference mode: the noise of the layers before
    it does not count. Mini-batches of that are normalised by the layer as in training, with its
    gamma and beta; its moving statistics and all other state stay as they are. A sample is a whole
    feature map, and the norm is over all of its elements.

    A layer that has no batch statistics has no disturbance: "gn", "ln", "unitization" with
    `normalize=False`, and one with `trainable=False`. A layer that is called twice counts with its
    first input. Positions that a mask rules out count in no statistic, and among a sample's
    elements as undisturbed.

    Layers are done one by one, each with a pass of all images through the model as far as that
    layer, `batch_size` at a time. So of one layer there are in memory its inputs for all images,
    twice, and `samples` times `batches` of its outputs: 0.3 GB of these for maps of 64 channels
    and 32 x 32 pixels.

    ```python
    from tfnorm.analysis.layer_stochasticity import layer_disturbances

    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.BatchNormalization(), tfnorm.BatchWhitening("zca")]
    )
    x = np.random.normal(size=(256, 8))
    quiet, noisy = layer_disturbances(model, x, batch_size=32, samples=5, batches=10)
    assert (quiet.kind, noisy.kind) == ("bn", "zca") and quiet.disturbance < noisy.disturbance
    ```

    Args:
        model: a functional or Sequential model. Layers of models within it are not found.
        images: what the model takes, an array (m, ...) or arrays in its inputs' structure, as
            `[latent, labels]`.
        batch_size: samples in a mini-batch, at most m: that of training, of one replica.
        samples, batches, seed: of `disturbance`.
        normalizer: of `disturbance`. Not None as there: layers differ in size. With "sqrt" it is
            the root mean square over a sample's elements, about, to compare with gamma.

    Returns:
        A list of `LayerDisturbance`, in the order of the model's layers.
    """
    check_model("model", model)
    arrays = keras.tree.flatten(images)
    check_sampling(len(arrays[0]), batch_size, samples, batches, normalizer)
    rows = []
    for site in normalization_sites(model):
        if site.kind == "none":
            continue
        layer = model.get_layer(site.name)
        entering = _entering(model, layer, arrays, batch_size)
        value = disturbance(
            _normalize(layer, entering),
            np.arange(len(entering.inputs), dtype=float)[:, np.newaxis],
            batch_size,
            samples=samples,
            batches=batches,
            normalizer=normalizer,
            seed=seed,
        )
        rows.append(LayerDisturbance(site.name, site.kind, site.channels, value))
    return rows


class _Entering(typing.NamedTuple):
    """What a layer takes for some samples.

    Attributes:
        inputs: (m, ...), float32, or float64 if they are.
        mask: (m, ...) boolean, or None.
    """

    inputs: np.ndarray
    mask: np.ndarray | None


def _entering(model: keras.Model, layer: keras.Layer, arrays: list, batch_size: int) -> _Entering:
    """What enters a layer in inference."""
    graph = keras_internals.graph_of(model)
    if graph is None:
        raise ValueError(f"`model` must be built, for one input. Received: model={model!r}")
    recorded = keras_internals.recorded_calls(graph)
    given = calls.recorded_arguments(next(call for call in recorded if call.operation is layer))
    mask = given.named.get("mask")
    # A list of one output is returned as one.
    extract = keras.Model(graph.inputs, [given.inputs] if mask is None else [given.inputs, mask])
    parts, masks = [], []
    for start in range(0, len(arrays[0]), batch_size):
        batch = [x[start : start + batch_size] for x in arrays]
        part, *given_masks = keras.tree.flatten(extract(batch, training=False))
        parts.append(part if part.dtype == tf.float64 else tf.cast(part, tf.float32))
        # Some masks are there when the model runs, and not before.
        masks.extend(given_masks or [keras_internals.mask_of(part)])
    inputs = np.concatenate(parts)
    if not np.isfinite(inputs).all():
        raise ValueError(f"What enters a layer must be finite. Received: layer={layer.name!r}")
    return _Entering(inputs, None if masks[0] is None else np.concatenate(masks).astype(bool))


def _normalize(
    layer: keras.Layer, entering: _Entering
) -> collections.abc.Callable[[np.ndarray], npt.ArrayLike]:
    """Makes a layer's function in training, of the indices (batch_size, 1) of samples."""
    function = training_function(layer)

    def normalize(indices):
        rows = indices[:, 0].astype(int)
        if entering.mask is None:
            return function(entering.inputs[rows])
        mask = entering.mask[rows]
        outputs = np.asarray(function(entering.inputs[rows], mask))
        return np.where(_spread(mask, layer, outputs.ndim), outputs, 0)

    return normalize


def _spread(mask: np.ndarray, layer: keras.Layer, rank: int) -> np.ndarray:
    """Gives a mask the axes of a layer's output, each of one element that it does not have."""
    if isinstance(layer, ChannelLayer):
        return np.expand_dims(mask, layer.axis)
    return mask.reshape(mask.shape + (1,) * (rank - mask.ndim))
