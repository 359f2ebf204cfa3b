"""Models with statistics by domain, and the model of one domain."""

import typing

import keras

from tfnorm import calls, copying, keras_internals
from tfnorm.layers.arguments import check_domain
from tfnorm.layers.domains import has_domains


def select_domain(model: keras.Model, domain: int) -> keras.Model:
    """Copies a model with statistics by domain as the model of one domain.

    Each layer with `domains` becomes the same without, with that domain's statistics. The input
    that was its domain goes where nothing else takes it. What is left can be folded, exported, and
    trained on.

    ```python
    x, domain = keras.Input((8,)), keras.Input((), dtype="int32")
    y = tfnorm.BatchWhitening("zca", group_size=4, domains=2)(x, domain)
    model = keras.Model([x, domain], keras.layers.Dense(3)(y))
    of_photos = tfnorm.select_domain(model, 1)
    photos = np.random.normal(size=(5, 8)).astype("float32")
    y = model([photos, np.full(5, 1)])
    assert np.allclose(of_photos(photos), y, atol=1e-5)
    folded, difference = tfnorm.fold_normalization(of_photos, photos)
    ```

    Args:
        model: a functional or Sequential model, built, which is not changed.
        domain: the domain, an integer.

    Returns:
        The new model, not compiled. Of inputs [x, domain] x is left.

    Raises:
        ValueError: for a model of another kind, without a layer with `domains`, or with one that
            has no such domain.
    """
    if not copying.has_graph(model) or not typing.cast(keras.Model, model).built:
        raise ValueError(
            f"`model` must be a functional or Sequential model, built. Received: model={model!r}"
        )
    layers = list(filter(has_domains, keras_internals.with_inner_layers(model)))
    if not layers:
        raise ValueError(f"`model` must have a layer with `domains`. Received: model={model!r}")
    domain = check_domain(domain, min(layer.domains or 0 for layer in layers))
    return _Selection(domain).copy(model)


class _Selection(copying.ModelCopier):
    """A copy of a model as that of one domain."""

    def __init__(self, domain: int) -> None:
        super().__init__()
        self._domain = domain
        self._of_domain = set()  # new layers without domains
        self._keys = {}  # new model: what it takes of the inputs of the old one

    def new_layer(self, operation):
        if not has_domains(operation):
            return super().new_layer(operation)
        new = copying.new_like(operation, domains=None)
        self._of_domain.add(new)
        return new

    def hand_over(self, old, new):
        if new not in self._of_domain:
            return super().hand_over(old, new)
        copying.build_like(old, new)
        for theirs, ours in zip(old.weights, new.weights, strict=True):
            ours.assign(theirs if theirs.shape == ours.shape else theirs[self._domain])

    def call(self, new, *args, **kwargs):
        if new in self._of_domain:
            del kwargs["domain"]
        if new in self._keys:
            inputs, args, kwargs = calls.of_model(args, kwargs)
            args = (_taken(inputs, self._keys[new]), *args)
        return super().call(new, *args, **kwargs)

    def _copy_functional(self, model):
        copy = super()._copy_functional(model)
        keys = _keys_of_used(model, copy)
        if keys is None:
            return copy
        inputs = _taken(copy.input, keys)
        narrowed = keras.Model(inputs, copy.output, name=model.name)
        new = copying.like_class(model, narrowed)
        self._keys[new] = keys
        return new


def _keys_of_used(model, copy):
    """The places among a model's inputs of those that a copy uses, too; None for all of them."""
    used, used_by_copy = map(_used_tensors, (model, copy))
    if not isinstance(model.input, dict | list | tuple):
        return None
    keys = list(model.input) if isinstance(model.input, dict) else range(len(model.input))
    gone = [
        key
        for key in keys
        if id(model.input[key]) in used and id(copy.input[key]) not in used_by_copy
    ]
    return [key for key in keys if key not in gone] if gone else None


def _used_tensors(model):
    taken = [tensor for call in keras_internals.recorded_calls(model) for tensor in call.inputs]
    return {id(tensor) for tensor in [*taken, *model.outputs]}


def _taken(inputs, keys):
    """Those of a structure of inputs that have these keys; if it was a list of two, the other."""
    if isinstance(inputs, dict):
        return {key: inputs[key] for key in keys}
    left = [inputs[key] for key in keys]
    return left[0] if len(left) == 1 else left


def with_domain(inputs: typing.Any, domain: typing.Any) -> typing.Any:
    """Adds a domain to what a model takes: by that name to a dict, else as the last of a list."""
    if isinstance(inputs, dict):
        return inputs | {"domain": domain}
    return [*inputs, domain] if isinstance(inputs, list | tuple) else [inputs, domain]
