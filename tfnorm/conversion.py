"""Another normalization in the place of BatchNormalization, in any Keras model."""

import collections.abc
import typing
import warnings

import keras
import tensorflow as tf

from tfnorm import calls, copying, keras_internals
from tfnorm.difference import relative_difference
from tfnorm.domains import select_domain, with_domain
from tfnorm.layers.base import ChannelLayer
from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.domains import has_domains

# `(name, config)` of a BatchNormalization.
MakeLayer = collections.abc.Callable[[str, dict[str, typing.Any]], keras.Layer]
Select = collections.abc.Callable[[str, dict[str, typing.Any]], typing.Any]

# Layers whose `axis` is that of the channels.
OF_CHANNELS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization, ChannelLayer)


@typing.overload
def replace_batch_normalization(
    model: keras.Model, make_layer: MakeLayer, select: Select | None = None, *, samples: None = None
) -> keras.Model: ...


@typing.overload
def replace_batch_normalization(
    model: keras.Model, make_layer: MakeLayer, select: Select | None = None, *, samples: typing.Any
) -> tuple[keras.Model, float]: ...


def replace_batch_normalization(
    model: keras.Model,
    make_layer: MakeLayer,
    select: Select | None = None,
    *,
    samples: typing.Any = None,
) -> keras.Model | tuple[keras.Model, float]:
    """Copies a model with other layers in the place of its BatchNormalization.

    All other weights are copied. Of a BatchNormalization's own (gamma, beta, moving_mean,
    moving_variance) the new layer takes those that it has by the same name and shape:

    * A `BatchWhitening` takes the moving variances as the diagonal of its moving covariance; with
      `estimate="matrix"` as `(variance + epsilon)^-1/2` on the diagonal of its moving matrix.
    * In a Sequential the first layer with moving statistics takes them, and gamma and beta go to
      the first that has them from there on. A `Coloring` takes them as its diagonal and its bias.
    * A `BatchWhitening` with `domains` starts each domain with the moving statistics. The new model
      takes one input more, the last or "domain" of a dict: the domain of each sample, (batch,).

    A warning names the weights that go nowhere, layer by layer. What the new layer has besides, as
    the alpha of `Unitization`, starts anew.

    With the epsilon of the old layer, which is in its configuration, the new model computes in
    inference, up to rounding, what the old one did: with `Unitization`, whose alpha starts at 0,
    with `BatchWhitening` by any method if its estimate is the matrix, and by "cd" or "zca" from a
    covariance if float32 resolves it: in each group the smallest variance, epsilon added, is more
    than a millionth of the largest. From a covariance, "itn" whitens approximately, and the less
    the more unequal the variances in a group are, and "pca" puts the channels of a group into the
    order of their variances. `samples` tell.

    ```python
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(16, 3), layers.BatchNormalization()]
    )
    whitened, difference = tfnorm.replace_batch_normalization(
        model,
        lambda name, config: tfnorm.BatchWhitening("zca", group_size=16, **config),
        samples=np.random.normal(size=(4, 8, 8, 3)).astype("float32"),
    )
    assert difference < 1e-4
    ```

    Args:
        model: a functional or Sequential model, which is not changed. Models within it are
            converted too. A layer of another kind is copied from its `get_config`, with its state.
        make_layer: `make_layer(name, config)` returns the new layer, or a Sequential of several,
            for the BatchNormalization of that name and `get_config()`, which `BatchWhitening` and
            `Unitization` take as it is. Called once for a layer that is shared; each new one is
            trainable if the old one was.
        select: `select(name, config)` says whether to replace one. None replaces all.
        samples: what the model takes (an array, or a list or dict of arrays), or None.

    Returns:
        The new model, not compiled; of the class of `model` where that takes inputs and outputs, as
        `keras.Model` does. Where a BatchNormalization was called with `training` or `mask`, the new
        layer is too, if its `call` has an argument of that name (a `mask` that goes nowhere is
        named in the warning).

        With samples `(new, difference)`: and the largest `max |a - b| / max |a|` over the outputs a
        of `model` and b of the new one on them in inference, with `domains` of its first domain,
        inf where they carry different masks.

    Raises:
        ValueError: for a model of another kind, or with samples for one that is not built; and for
            a new layer, by the name of the old one: with another axis or number of channels; with
            `center` or `scale` where the old one has none, or without where it has and nothing
            else takes beta or gamma; with `domains` within another layer; and for any but a
            BatchNormalization with `renorm=True` in the place of one.
    """
    if not isinstance(model, keras.Model) or not copying.has_graph(model):
        raise ValueError(
            "`model` must be a functional or Sequential model: in another, the code of its `call` "
            f"decides which layers are used. Received: model={model!r}"
        )
    if samples is not None and not typing.cast(keras.Model, model).built:
        raise ValueError(
            "`samples` compare outputs, and a model that is not built has none: build it first. "
            f"Received: {model!r}"
        )
    conversion = _Conversion(make_layer, select or (lambda name, config: True))
    new = conversion.copy(model)
    if samples is None:
        return new
    # Each domain begins as the others do.
    of_domain = select_domain(new, 0) if conversion.takes_domain(model) else new
    return new, relative_difference(model, of_domain, samples)


class _Conversion(copying.ModelCopier):
    """A copy with new layers in the place of each BatchNormalization that is selected."""

    def __init__(self, make_layer, select):
        super().__init__()
        self._make_layer = make_layer
        self._select = select
        self._replaced = {}  # new layer: the BatchNormalization that it replaces
        self._lost = {}  # name of a BatchNormalization: what is not carried over
        self._domain = None  # the input of the model that is being copied
        self._of_domains = set()  # new models with such an input

    def copy(self, model):
        copy = super().copy(model)
        given_masks = _layers_given_masks(model)
        for new, old in self._replaced.items():
            if old in given_masks and not calls.takes(new, "mask"):
                self._lost.setdefault(old.name, []).append("the mask of its call")
        if self._lost:
            lost = "; ".join(f"{', '.join(what)} of {name!r}" for name, what in self._lost.items())
            warnings.warn(
                f"The layers in the place of BatchNormalization have no place for {lost}",
                stacklevel=3,
            )
        return copy

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
            _check_channels(old, new)
            lost = _carry_over(old, new)
            if lost:
                self._lost[old.name] = lost
        else:
            super().hand_over(old, new)

    def call(self, new: typing.Any, *args, **kwargs):
        if new in self._of_domains:
            inputs, args, kwargs = calls.of_model(args, kwargs)
            return super().call(new, with_domain(inputs, self._domain), *args, **kwargs)
        if new not in self._replaced:
            return super().call(new, *args, **kwargs)
        given = calls.arguments(self._replaced[new], args, kwargs)
        if has_domains(new):
            given.named["domain"] = self._domain
        return calls.call_in_place(new, given)

    def takes_domain(self, model):
        """Tells whether a layer of a model, or of one within it, is replaced by one of domains."""
        return any(
            self.takes_domain(layer)
            if copying.has_graph(layer)
            else self._is_selected(layer) and has_domains(self._copy(layer))
            for layer in model.layers
        )

    def _copier_of(self, operation):
        if copying.has_graph(operation) and self.takes_domain(operation):
            return self._copy_with_domain
        return super()._copier_of(operation)

    def _copy_with_domain(self, model):
        graph = keras_internals.graph_of(model)
        if graph is None:
            raise ValueError(
                f"A model must be built for layers with `domains`. Received: model={model!r}"
            )
        there = [layer.name for layer in model.layers if has_domains(layer)]
        if there:
            raise ValueError(
                "Layers with `domains` must be made in one conversion, as a model has one input of "
                f"domains. Received: a model with {', '.join(there)}"
            )
        # An input that nothing takes yet, and then the new layers do.
        unused, domain = (keras.Input((), dtype="int32", name="domain") for _ in range(2))
        unused = keras_internals.that_may_be_unused(unused)
        widened = keras.Model(with_domain(graph.input, unused), graph.output, name=graph.name)
        inputs = keras.tree.map_structure(copying.copy_input, graph.input)
        outer, self._domain = self._domain, domain
        copy = self.copy_graph(widened, with_domain(inputs, domain))
        self._domain = outer
        new = copying.like_class(graph, copy)
        self._of_domains.add(new)
        return new

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
        _check_arguments(layer, new)
        if any(map(has_domains, keras_internals.with_inner_layers(new)[1:])):
            raise ValueError(
                "A layer with `domains` must be what `make_layer` returns, not part of it: it is "
                f"called with the domain. Received: {new!r} for {layer.name!r}"
            )
        self._replaced[new] = layer
        return new


def _layers_given_masks(model):
    """The layers of a model, or of models within it, of which a call is given a mask."""
    graphs = map(keras_internals.graph_of, keras_internals.with_inner_layers(model))
    return {
        call.operation
        for graph in graphs
        if graph is not None
        for call in keras_internals.recorded_calls(graph)
        if isinstance(call.operation, keras.layers.BatchNormalization)
        and calls.recorded_arguments(call).mask is not None
    }


def _check_arguments(old, new):
    """Checks that a new layer, not built, has the arguments of the one that it replaces."""
    layers = keras_internals.with_inner_layers(new)
    for name in ("center", "scale"):
        wanted = getattr(old, name)
        # The scale of a Rescaling is a number.
        every = [getattr(layer, name, None) for layer in layers]
        given = [value for value in every if isinstance(value, bool)]
        recovers = any(_recovers(layer, name) for layer in layers)
        if given and any(given) != wanted and not (wanted and recovers):
            _disagree(name, any(given), old, wanted)
    for layer in layers:
        if isinstance(layer, OF_CHANNELS) and not _is_one_axis(layer.axis, old):
            _disagree("axis", layer.axis, old, old.axis)
    if getattr(old, "renorm", False) and not getattr(new, "renorm", False):
        _disagree("renorm", False, old, True)


def _recovers(layer, name):
    """Tells whether a layer can do what `center` or `scale` does without that argument."""
    return isinstance(layer, Coloring) and (name == "scale" or layer.use_bias)


def _is_one_axis(axis, old):
    if axis == old.axis:
        return True
    if not old.built:
        # Of an unknown number of axes.
        return (axis < 0) != (old.axis < 0)
    rank = old.input_spec.ndim
    return axis % rank == old.axis % rank


def _check_channels(old, new):
    """Checks that a new layer, built, has as many channels as the one that it replaces."""
    for layer in keras_internals.with_inner_layers(new):
        if isinstance(layer, OF_CHANNELS) and layer.built:
            if _channels(layer) != _channels(old):
                _disagree("channels", _channels(layer), old, _channels(old))


def _channels(layer: typing.Any) -> int:
    (channels,) = layer.input_spec.axes.values()
    return channels


def _disagree(name, value, old, wanted):
    raise ValueError(
        "The layer in the place of a BatchNormalization must have its axis, channels, center, "
        f"scale and renorm. Received: {name}={value} for {old.name!r}, which has {name}={wanted}"
    )


def _carry_over(old, new) -> list[str]:
    """Gives a new layer what it has in common with the BatchNormalization that it replaces.

    Returns:
        The names of the weights that go nowhere.
    """
    left = {weight.name: weight for weight in old.weights}
    for layer in _from_statistics_on(_in_turn(new)):
        for weight in sorted(layer.weights, key=lambda weight: weight.name == "beta"):
            # A gamma that comes later would scale a beta that comes first.
            too_early = weight.name == "beta" and "gamma" in left
            if weight.name in left and not too_early:
                shape = tuple(left[weight.name].shape)
                by_domain = (layer.domains, *shape) if has_domains(layer) else shape
                if tuple(weight.shape) in (shape, by_domain):
                    _set_every(weight, left.pop(weight.name))
        for one in keras_internals.with_inner_layers(layer):
            if isinstance(one, BatchWhitening) and one.built and "moving_variance" in left:
                _set_moving_variances(one, left.pop("moving_variance"))
        if isinstance(layer, Coloring) and layer.built:
            _set_scale_and_shift(layer, left)
    return list(left)


def _in_turn(layer):
    """The layers of a Sequential, or of one within it, one by one; or the one that it is."""
    inner = layer.layers if isinstance(layer, keras.Model) else []
    return [one for each in inner for one in _in_turn(each)] if inner else [layer]


def _from_statistics_on(layers):
    """The layers but for those before the first with moving statistics, if there is any."""
    have = ["moving_mean" in [weight.name for weight in layer.weights] for layer in layers]
    return layers[have.index(True) :] if any(have) else layers


def _set_moving_variances(layer, variances):
    diagonal = layer.as_statistics(variances)
    if layer.estimate == "matrix":
        diagonal = tf.math.rsqrt(diagonal + layer.epsilon)
    _set_diagonal(layer, f"moving_{layer.estimate}", diagonal)


def _set_scale_and_shift(layer, left):
    """Makes a coloring scale and shift by what is left of gamma and beta, and nothing else."""
    scale = left.pop("gamma", None)
    ones = tf.ones(layer.channel_shape)
    _set_diagonal(layer, "kernel", ones if scale is None else tf.convert_to_tensor(scale))
    if layer.use_bias:
        shift = left.pop("beta", None)
        layer.bias.assign(0.0 * ones if shift is None else shift)


def _set_diagonal(layer, name, diagonal):
    """Makes the matrices of all groups diagonal."""
    weights = layer.block_weights(name)
    for block, weight in zip(layer.blocks(layer.group_size), weights, strict=True):
        part = diagonal[block.start : block.start + block.channels]
        _set_every(weight, tf.linalg.diag(tf.reshape(part, [block.groups, block.size])))


def _set_every(weight, value):
    """Gives a weight a value, or one that is by domain the value for each."""
    weight.assign(tf.broadcast_to(value, weight.shape))
