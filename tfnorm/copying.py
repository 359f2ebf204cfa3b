"""Copies of layers and of models, with all that they know: weights, vocabularies, functions."""

import operator
import pathlib
import tempfile
import typing

import keras

from tfnorm import keras_internals

Operation = typing.TypeVar("Operation", bound=keras.Operation)


def new_like(operation: Operation, **changes: typing.Any) -> Operation:
    """Makes a layer, or another operation, from the configuration of one.

    A `Lambda`, wherever it is in the layer, gets the function itself: its configuration holds the
    code, but not the names that the code uses.

    Args:
        operation: what is copied.
        **changes: what is different in the configuration, as `name`.

    Returns:
        A new one of the class. It is not built, and knows nothing yet: see `copy_state`.
    """
    if type(operation) is keras.layers.Lambda:
        config = keras.layers.Layer.get_config(operation) | changes
        return keras.layers.Lambda(**keras_internals.lambda_arguments(operation), **config)
    with keras_internals.trusted_configurations():
        new = type(operation).from_config(operation.get_config() | changes)
    if isinstance(operation, keras.Layer):
        old_lambdas = _inner_lambdas(operation)
        for name, new_lambda in _inner_lambdas(new).items():
            if name in old_lambdas:  # not one that a layer makes for itself
                arguments = keras_internals.lambda_arguments(old_lambdas[name])
                keras_internals.set_lambda_arguments(new_lambda, arguments)
    return new


def _inner_lambdas(layer):
    inner = keras_internals.with_inner_layers(layer)
    return {one.name: one for one in inner if isinstance(one, keras.layers.Lambda)}


def build_like(source: keras.Layer, target: keras.Layer) -> None:
    """Builds a layer as another was built, unless it is built already."""
    if source.built and not target.built:
        target.build_from_config(source.get_build_config())


def built_like(operation: Operation) -> Operation:
    """Makes another of an operation by `new_like`, and builds it if its inputs would not do.

    A layer with a `build_from_config` of its own may know more of its weights' shapes than its
    inputs tell. All others are built where they are called, from where their weights have paths.
    """
    new = new_like(operation)
    if isinstance(operation, keras.Layer) and keras_internals.has_build_of_its_own(operation):
        build_like(operation, typing.cast(keras.Layer, new))
    return new


def copy_state(source: keras.Layer, target: keras.Layer) -> None:
    """Gives a layer what another of its configuration knows, and builds it if need be.

    That is what saving the other would save: its weights, what it derives from them (as
    `Normalization` does), its assets, such as the vocabulary of a `StringLookup`, and the states of
    its random numbers.
    """
    build_like(source, target)
    for old_layer, new_layer in _pairs(source, target):
        store: dict[str, typing.Any] = {}
        old_layer.save_own_variables(store)
        new_layer.load_own_variables(store)
        if getattr(old_layer, "lora_enabled", False):
            new_layer.lora_alpha = old_layer.lora_alpha  # a Dense is built with its rank for it
        if hasattr(old_layer, "save_assets"):
            _copy_assets(old_layer, new_layer)
    _copy_variables(source, target)


def _copy_assets(source, target):
    with tempfile.TemporaryDirectory() as saved, tempfile.TemporaryDirectory() as present:
        source.save_assets(saved)
        target.save_assets(present)
        # A lookup that was never adapted saves an empty vocabulary, which none can load.
        if _files(saved) != _files(present):
            target.load_assets(saved)


def _files(folder):
    """The contents of all files in a folder, by path."""
    paths = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def _copy_variables(source, target):
    """Copies weights as they are, and how far random numbers have come.

    A layer saves a kernel and its low-rank update (LoRA) as one.
    """
    for of_layer in (operator.attrgetter("weights"), operator.attrgetter("variables")):
        olds, news = of_layer(source), of_layer(target)
        if list(map(_kind, olds)) == list(map(_kind, news)):
            for old, new in zip(olds, news, strict=True):
                new.assign(old)


def _kind(variable):
    return variable.name, variable.shape


def _pairs(source, target):
    """Pairs each layer within one layer, itself first, with the same within its copy."""
    layers = (keras_internals.with_inner_layers(layer) for layer in (source, target))
    return zip(*layers, strict=True)


def has_graph(model: typing.Any) -> typing.TypeGuard[keras.Sequential | keras.Function]:
    """Tells whether something is a functional or Sequential model, so that its layers are known."""
    return isinstance(model, keras.Sequential | keras.Function)


def copy_input(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Makes another input like the one that a symbolic tensor is."""
    new = typing.cast(keras.KerasTensor, new_like(keras_internals.maker_of(tensor)).output)
    return keras_internals.that_may_be_unused(new)


def copy_model(model: keras.Model) -> keras.Model:
    """Copies a model and its state: see `ModelCopier.copy`."""
    return ModelCopier().copy(model)


class ModelCopier:
    """Copies functional and Sequential models, those within them too.

    There is one copy of each layer, however often and in however many of the models it is used. A
    subclass may put others in the place of some layers.
    """

    def __init__(self) -> None:
        # Layers come before the models that they are in.
        self._copies: dict[typing.Any, typing.Any] = {}

    def copy(self, model: keras.Model) -> keras.Model:
        """Copies a model and its state.

        Args:
            model: functional or Sequential. It is not changed.

        Returns:
            The copy, not compiled; of the class of `model` where that takes inputs and outputs, as
            `keras.Model` does.
        """
        copy = self._copy(model)
        pairs = [pair for pair in self._copies.items() if isinstance(pair[0], keras.Layer)]
        for old, new in pairs:
            if not self.takes_apart(old):
                self.hand_over(old, new)
        # Models first: setting a model's flag sets those of its layers.
        for old, new in reversed(pairs):
            if new.trainable != old.trainable:
                new.trainable = old.trainable
        return copy

    def takes_apart(self, operation: keras.Operation) -> bool:
        """Tells whether something is a model whose layers are copied each for itself."""
        return has_graph(operation)

    def new_layer(self, operation: keras.Operation) -> keras.Operation:
        """Makes what stands in the place of a layer, or another operation, that is no model."""
        return built_like(operation)

    def hand_over(self, old: keras.Layer, new: keras.Layer) -> None:
        """Gives what stands in a layer's place what that layer knows."""
        copy_state(old, new)

    def call(self, new: keras.Operation, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        """Calls what stands in a layer's place with the arguments of the layer's own call."""
        return new(*args, **kwargs)

    def _copy(self, operation):
        if operation not in self._copies:
            self._copies[operation] = self._copier_of(operation)(operation)
        return self._copies[operation]

    def _copier_of(self, operation):
        if not self.takes_apart(operation):
            return self.new_layer
        is_sequential = isinstance(operation, keras.Sequential)
        return self._copy_sequential if is_sequential else self._copy_functional

    def _copy_sequential(self, model):
        # One that was never called has no inputs yet.
        inputs = [copy_input(tensor) for tensor in getattr(model, "inputs", [])]
        return keras.Sequential(inputs + [self._copy(x) for x in model.layers], name=model.name)

    def _copy_functional(self, model):
        # Of a compiled model clone_model compiles the copy, and fails if a loss is not registered.
        uncompiled = keras.Model(model.input, model.output, name=model.name)
        inputs = keras.tree.map_structure(copy_input, model.input)
        return like_class(model, self.copy_graph(uncompiled, inputs))

    def copy_graph(self, graph: keras.Model, inputs: typing.Any) -> keras.Model:
        """Copies a functional model of Keras' own class onto inputs, without the layers' state."""
        return keras.models.clone_model(
            graph,
            input_tensors=inputs,
            clone_function=self._copy,
            call_function=self.call,
        )


def like_class(model: keras.Model, graph: keras.Model) -> keras.Model:
    """Makes a functional model one of another's class, where that takes inputs and outputs."""
    try:
        return type(model)(inputs=graph.input, outputs=graph.output, name=model.name)
    except TypeError:  # a class with a constructor of its own
        return graph
