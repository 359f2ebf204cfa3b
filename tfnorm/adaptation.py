"""Moving statistics anew, from batches of other data than a model was trained on."""

import collections.abc
import contextlib
import typing

import keras
import numpy as np
import tensorflow as tf

from tfnorm import keras_internals
from tfnorm.domains import with_domain
from tfnorm.layers.arguments import check_domain
from tfnorm.layers.base import BatchStatistics
from tfnorm.layers.domains import has_domains

_WITH_STATISTICS = (BatchStatistics, keras.layers.BatchNormalization)


def adapt_statistics(
    model: keras.Model,
    batches: collections.abc.Iterable[typing.Any],
    *,
    domain: int | None = None,
) -> None:
    """Sets a model's moving statistics to the means of those of batches, and trains nothing.

    A model infers better on another domain by statistics of that domain, for which it needs no
    labels: adaptive batch normalization, AdaBN. With `domain` those of that domain are set, and the
    others stay.

    ```python
    x, domain = keras.Input((8,)), keras.Input((), dtype="int32")
    layer = tfnorm.BatchWhitening("zca", group_size=4, domains=2)
    model = keras.Model([x, domain], layer(x, domain))
    photos = np.random.normal(3.0, size=(4, 100, 8)).astype("float32")
    tfnorm.adapt_statistics(model, photos, domain=1)
    assert np.allclose(layer.moving_mean[1], photos.mean((0, 1)), atol=1e-3)
    assert not np.any(layer.moving_mean[0])
    ```

    Args:
        model: any that is built, with layers of statistics: `BatchWhitening`, `Unitization`, Keras'
            BatchNormalization. Of those that are frozen they stay. It is changed.
        batches: of what the model takes, of one domain, of about equal size. It is called with each
            as in training, eagerly: layers that differ there, as Dropout, do. Of a layer that it
            calls several times all calls in training count. A call in inference, as with
            `training=False`, is by the statistics that there are then and does not count: a layer
            that is only called so keeps its own.
        domain: the domain that the batches are of, where they are without the last input (in a dict
            "domain"), as a model by `replace_batch_normalization` has it: of layers without
            `domains`, whose statistics are all domains', they stay. None for batches that are all
            the model takes.

    Raises:
        ValueError: there is no batch, no layer to adapt or no such domain; or what such a layer is
            given is not finite. The statistics are as before then.

    Reference:
        Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016,
        https://arxiv.org/abs/1603.04779, Algorithm 1.
    """
    layers: list[typing.Any] = [
        layer
        for layer in keras_internals.with_inner_layers(model)
        if isinstance(layer, _WITH_STATISTICS) and layer.trainable and hasattr(layer, "moving_mean")
    ]
    if not layers:
        raise ValueError(
            "`model` must be built, and have a layer with moving statistics that is not frozen. "
            f"Received: model={model!r}"
        )
    others: list[typing.Any] = []
    if domain is not None:
        others = [layer for layer in layers if not has_domains(layer)]
        layers = list(filter(has_domains, layers))
        if not layers:
            raise ValueError(
                "`domain` is for a model that has a layer with `domains` which is not frozen. "
                f"Received: domain={domain!r}, model={model!r}"
            )
        domain = check_domain(domain, min(layer.domains for layer in layers))
    count = 0
    with contextlib.ExitStack() as stack:
        for layer in others:
            stack.enter_context(_kept(layer))
        for layer in layers:
            stack.enter_context(_averaging(layer))
        for batch in batches:
            if domain is not None:
                size = len(keras.tree.flatten(batch)[0])
                batch = with_domain(batch, np.full(size, domain))
            model(keras.tree.map_structure(keras.ops.convert_to_tensor, batch), training=True)
            count += 1
    if not count:
        raise ValueError(f"There must be a batch at least. Received: batches={batches!r}")


@contextlib.contextmanager
def _kept(layer: typing.Any) -> collections.abc.Iterator[None]:
    """A context after which a layer's statistics are what they were."""
    values = [weight.numpy() for weight in layer.non_trainable_weights]
    try:
        yield
    finally:
        for weight, value in zip(layer.non_trainable_weights, values, strict=True):
            weight.assign(value)


@contextlib.contextmanager
def _averaging(layer: typing.Any) -> collections.abc.Iterator[None]:
    """A context in which a layer's statistics are the means over all of its calls in training.

    Such a call is one that assigns statistics, whatever `training` the layer was given and by whom.
    """
    call, momentum, count = layer.call, layer.momentum, 0
    values = [weight.numpy() for weight in layer.non_trainable_weights]

    def averaging(inputs, *args, **kwargs):
        nonlocal count
        if tf.executing_eagerly():
            _check_finite(layer, inputs, kwargs.get("mask"))
        layer.momentum = count / (count + 1)  # the mean of all so far
        restarts = not count and not isinstance(layer, BatchStatistics)
        weights = [layer.moving_mean, layer.moving_variance] if restarts else []
        before = [tf.convert_to_tensor(weight) for weight in weights]
        for weight in weights:
            weight.assign(keras.ops.zeros_like(weight))  # NaN times 0 would stay
        with _assignments(layer.moving_mean) as assigned:
            outputs = call(inputs, *args, **kwargs)
        if assigned:
            count += 1
        elif restarts:  # a call in inference, for which the zeros were wrong
            for weight, value in zip(weights, before, strict=True):
                weight.assign(value)
            outputs = call(inputs, *args, **kwargs)
        return outputs

    layer.call = averaging
    try:
        yield
    except BaseException:
        for weight, value in zip(layer.non_trainable_weights, values, strict=True):
            weight.assign(value)
        raise
    finally:
        del layer.call
        layer.momentum = momentum


@contextlib.contextmanager
def _assignments(weight: typing.Any) -> collections.abc.Iterator[list[typing.Any]]:
    """A context that gives a list, to which each value is added that a weight is assigned."""
    assign, values = weight.assign, []

    def noting(value):
        values.append(value)
        return assign(value)

    weight.assign = noting
    try:
        yield values
    finally:
        del weight.assign


def _check_finite(layer, inputs, mask):
    finite = keras.ops.isfinite(inputs)
    if mask is not None:
        counts = keras.ops.expand_dims(keras.ops.cast(mask, "bool"), layer.axis)
        finite = keras.ops.logical_or(finite, keras.ops.logical_not(counts))
    if not keras.ops.all(finite):
        raise ValueError(
            "Batches must be finite at each layer with statistics. Received: values that are not, "
            f"layer={layer.name!r}"
        )
