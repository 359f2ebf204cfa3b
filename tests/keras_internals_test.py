"""What the package relies on of Keras' private names, on plain Keras models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.keras_versions import safe_lambdas, unconnected_inputs
from tfnorm import keras_internals

L = keras.layers


@unconnected_inputs
def test_recorded_calls_are_those_of_the_model_makers_first():
    x, flags = keras.Input((4,)), keras.Input((4,), dtype="bool")
    dense, norm = L.Dense(4, name="dense"), L.BatchNormalization(name="norm")
    hidden = dense(x)
    outputs = norm(dense(inputs=hidden), training=False, mask=None) + hidden
    L.Dense(3)(outputs)  # is not of the model
    model = keras.Model([x, flags], [outputs, flags])

    calls = keras_internals.recorded_calls(model)
    assert [call.operation.name for call in calls[:3]] == ["dense", "dense", "norm"]
    first, second, third, last = calls
    assert first.operation is dense and third.operation is norm
    assert not isinstance(last.operation, keras.Layer)
    assert first.args == (x,) and first.kwargs.get("inputs") is None
    assert second.args == () and second.kwargs["inputs"] is hidden
    assert third.kwargs["training"] is False and third.kwargs["mask"] is None
    assert [first.outputs[0], *last.outputs] == [hidden, outputs]
    assert [id(tensor) for tensor in last.inputs] == [id(third.outputs[0]), id(hidden)]


def test_recorded_calls_have_a_tensor_as_often_as_it_is_an_argument():
    x = keras.Input((4,))
    (call,) = keras_internals.recorded_calls(keras.Model(x, L.Concatenate()([x, x])))
    assert [tensor is x for tensor in call.inputs] == [True, True]
    assert call.args[0][1] is x


def test_recorded_calls_of_a_part_of_a_model():
    x = keras.Input((4,))
    hidden = L.ReLU()(x)
    dense = L.Dense(3)
    part = keras.Model(hidden, dense(hidden))
    (call,) = keras_internals.recorded_calls(part)
    assert call.operation is dense and call.inputs[0] is part.input


def test_maker_of():
    x = keras.Input((4,), name="x")
    dense = L.Dense(3)
    y = dense(x)
    assert keras_internals.maker_of(y) is dense
    assert isinstance(keras_internals.maker_of(x), L.InputLayer)
    assert keras_internals.maker_of(x).name == "x"
    assert not isinstance(keras_internals.maker_of(y * 2), keras.Layer)


def test_call_that_made():
    x = keras.Input((4,))
    dense = L.Dense(3)
    first, second = dense(x), dense(inputs=x)
    call = keras_internals.call_that_made(first)
    assert call.operation is dense and call.args == (x,)
    assert [one is first for one in call.outputs] == [True]
    assert keras_internals.call_that_made(second).kwargs["inputs"] is x
    (half, _) = keras.ops.split(x, 2, axis=-1)
    assert len(keras_internals.call_that_made(half).outputs) == 2
    assert keras_internals.call_that_made(x).inputs == []


def test_mask_of():
    x = keras.Input((4,), dtype="int32")
    embedded = L.Embedding(5, 3, mask_zero=True)(x)
    assert keras_internals.mask_of(embedded).shape == (None, 4)
    # A layer hands its mask on where it supports masks.
    assert keras_internals.mask_of(L.BatchNormalization()(embedded)) is not None
    assert keras_internals.mask_of(x) is None
    assert keras_internals.mask_of(L.LSTM(2)(embedded)) is None
    run = L.Embedding(5, 3, mask_zero=True)(np.array([[1, 0]]))
    np.testing.assert_array_equal(keras_internals.mask_of(run), [[True, False]])


def test_graph_of():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(3)(x))
    assert keras_internals.graph_of(model) is model
    dense = L.Dense(3)
    sequential = keras.Sequential([dense])
    assert keras_internals.graph_of(sequential) is None
    sequential.build((None, 4))
    graph = keras_internals.graph_of(sequential)
    assert isinstance(graph, keras.Model) and isinstance(graph, keras.Function)
    assert graph.layers[-1] is dense
    assert graph.input.shape == (None, 4) and graph.output.shape == (None, 3)
    assert keras_internals.graph_of(dense) is None
    assert keras_internals.graph_of("model") is None


class Doubled(keras.Model):
    def call(self, inputs):
        return 2 * super().call(inputs)


class Trained(keras.Model):
    def train_step(self, data):
        raise AssertionError


def test_has_call_of_keras():
    x = keras.Input((4,))
    y = L.Dense(3)(x)
    for layer in (keras.Model(x, y), Trained(x, y), keras.Sequential(), L.Dense(3)):
        assert keras_internals.has_call_of_keras(layer)
    assert not keras_internals.has_call_of_keras(Doubled(x, y))


def test_has_build_of_its_own():
    class Known(L.Layer):
        def build_from_config(self, config):
            self.build(config["shape"])

    assert keras_internals.has_build_of_its_own(Known())
    for layer in (L.Dense(3), L.Conv2D(3, 1), L.Normalization(), Doubled(*[keras.Input((4,))] * 2)):
        assert not keras_internals.has_build_of_its_own(layer)


def test_stored_weight():
    """Is the variable of that name, where the attribute is another's sum or an unpacked tensor."""
    dense, embedding = L.Dense(3), L.Embedding(5, 3)
    for layer, name in ((dense, "kernel"), (embedding, "embeddings")):
        layer.build((None, 4))
        (variable,) = (weight for weight in layer.weights if weight.name == name)
        assert keras_internals.stored_weight(layer, name) is variable
        layer.enable_lora(2)
        assert getattr(layer, name) is not variable
        assert keras_internals.stored_weight(layer, name) is variable
        layer.quantize("int4")
        (variable,) = (weight for weight in layer.weights if weight.name == name)
        assert keras_internals.stored_weight(layer, name) is variable and variable.dtype == "int8"


def test_stored_weight_of_others():
    class Halved(L.Dense):
        @property
        def kernel(self):
            return self._kernel * 0.5

    halved, transposed = Halved(3), L.Conv1DTranspose(3, 2)
    for layer, shape in ((halved, (None, 4)), (transposed, (None, 4, 5))):
        layer.build(shape)
    assert keras_internals.stored_weight(halved, "kernel") is None
    assert keras_internals.stored_weight(transposed, "kernel") is transposed.kernel
    assert keras_internals.stored_weight(transposed, "embeddings") is None


@pytest.mark.parametrize(("equation", "shape"), [("ab,cb->ac", 3), ("ab,bcd->acd", (2, 3))])
def test_scale_of_einsum_kernel(equation, shape):
    layer = L.EinsumDense(equation, shape)
    layer.build((None, 4))
    kernel = layer.kernel.numpy()
    layer.quantize("int8")
    scale = keras_internals.scale_of_einsum_kernel(layer)
    np.testing.assert_allclose(layer.kernel.numpy() / scale, kernel, atol=np.abs(kernel).max() / 64)


@pytest.mark.parametrize(
    ("scope", "is_layers", "is_handed_over"),
    [
        ({"mode": "full"}, True, True),
        ({"mode": "larger_than", "output_size_threshold": 1}, True, True),
        ({"mode": "list_of_layers", "layer_names": ["dense"]}, True, True),
        ({"mode": "list_of_layers", "layer_names": ["wrapper"]}, True, False),
        ({"mode": "activations"}, True, False),
        ({"mode": "full"}, False, False),
    ],
)
def test_hand_over_rematerialization(scope, is_layers, is_handed_over):
    """What recomputes its call runs it again in the backward pass."""
    calls = []

    class Counted(L.Dense):
        def call(self, inputs):
            calls.append(self.name)
            return super().call(inputs)

    with keras.RematScope(**scope if is_layers else {"mode": None}):
        dense = Counted(3, name="dense")
    wrapper = Counted(3, name="wrapper")
    keras_internals.hand_over_rematerialization(dense, wrapper)
    for layer in (dense, wrapper):
        layer.build((None, 4))
        calls.clear()
        with tf.GradientTape() as tape:
            y = layer(np.ones((2, 4), np.float32))
        tape.gradient(y, layer.kernel.value)
        assert len(calls) == 1 + (is_handed_over and layer is wrapper)


def test_with_inner_layers():
    cell = L.LSTMCell(2)
    wrapper = L.TimeDistributed(L.RNN(cell))
    assert keras_internals.with_inner_layers(wrapper) == [wrapper, wrapper.layer, cell]
    vectorization = L.TextVectorization()
    (_, lookup) = keras_internals.with_inner_layers(vectorization)
    assert isinstance(lookup, L.StringLookup)
    inner = keras.Sequential([L.Dense(2, name="a"), L.Dense(2, name="b")], name="inner")
    x = keras.Input((3,))
    model = keras.Model(x, L.ReLU(name="c")(inner(x)), name="model")
    names = {layer.name for layer in keras_internals.with_inner_layers(model)}
    assert names >= {"model", "inner", "a", "b", "c"}
    assert keras_internals.with_inner_layers(model)[0] is model


# Keras believes a shape that it is told, and without one finds 5 itself.
@pytest.mark.parametrize(
    ("output_shape", "size"), [(None, 5), ((6,), 6), (lambda shape: (shape[0], 7), 7)]
)
def test_lambda_arguments_make_the_same_lambda(output_shape, size):
    def take(x, count):
        return x[:, :count]

    layer = L.Lambda(take, output_shape, mask=lambda x, mask: None, arguments={"count": 5})
    arguments = keras_internals.lambda_arguments(layer)
    assert arguments["function"] is take
    other = L.Lambda(lambda x: x)
    keras_internals.set_lambda_arguments(other, arguments)
    for copy in (L.Lambda(**arguments), other):
        assert copy.function is take and copy.mask is layer.mask
        assert copy.compute_output_shape((None, 9)) == (None, size)
        np.testing.assert_array_equal(copy(np.ones((2, 9))), np.ones((2, 5)))


@safe_lambdas
def test_trusted_configurations_hold_code_within_the_context_alone():
    config = L.Lambda(lambda x: 2 * x).get_config()
    with keras_internals.trusted_configurations():
        layer = L.Lambda.from_config(dict(config))
    assert float(layer(tf.constant(3.0))) == 6
    with pytest.raises(ValueError, match="safe_mode"):
        L.Lambda.from_config(dict(config))


def test_weights_may_change():
    layer = L.Dense(3)
    layer.build((None, 4))
    del layer.bias
    assert [weight.name for weight in layer.weights] == ["kernel"]

    def add(name):
        layer.add_weight(name=name, shape=(), initializer="zeros", trainable=False)

    with pytest.raises(ValueError):
        add("before")
    with keras_internals.weights_may_change(layer):
        add("within")
    assert [weight.name for weight in layer.weights] == ["kernel", "within"]
    with pytest.raises(ValueError):
        add("after")


def test_builds_model():
    seen = []

    class Layer(L.Layer):
        def call(self, x):
            seen.append(keras_internals.builds_model())
            return x

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = Layer()

        def call(self, x):
            return self.layer(x)

    Model().build_from_config({"input_shape": (2, 3)})  # as in loading
    assert seen == [True]
    for call in (Model(), tf.function(Model())):
        call(tf.zeros((2, 3)))  # builds the model, and then calls it
        assert seen[-1] is False
