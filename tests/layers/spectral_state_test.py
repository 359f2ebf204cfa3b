"""What the layer in a SpectralNormalization keeps, its masks, and recomputed calls."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnorm import SpectralNormalization, keras_internals

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 1.0, size=(40, 8)).astype(np.float32)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


class Stateful(L.Dense):
    """A Dense that drops out, normalises, counts its calls, and keeps a metric of its output.

    It counts in a branch. The normalization inside is built in the first call.
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.seed = keras.random.SeedGenerator(1)
        self.norm = L.BatchNormalization(momentum=0.5)
        self.mean = keras.metrics.Mean()

    def build(self, input_shape):
        super().build(input_shape)
        self.calls = self.add_weight(
            name="calls", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def call(self, inputs, training=None):
        y = super().call(inputs)
        if not training:
            return self.norm(y, training=False)
        tf.cond(
            tf.reduce_any(inputs > 0),
            lambda: tf.convert_to_tensor(self.calls.assign_add(1)),
            lambda: tf.zeros((), tf.int32),
        )
        self.mean.update_state(tf.reduce_sum(y))
        return keras.random.dropout(self.norm(y, training=True), 0.5, seed=self.seed)


def state_of(layer):
    return {
        "calls": layer.calls.numpy(),
        "seed": layer.seed.state.numpy(),
        "metric": layer.mean.result().numpy(),
        "moving_mean": layer.norm.moving_mean.numpy(),
        "moving_variance": layer.norm.moving_variance.numpy(),
    }


def made():
    """A wrapper that is converged, and a bare layer with its kernel over its norm."""
    wrapper, bare = SpectralNormalization(Stateful(5)), Stateful(5)
    wrapper.build(X.shape)
    bare.build(X.shape)
    kernel, bias = wrapper.layer.kernel.numpy(), RNG.normal(size=5)
    wrapper.layer.bias.assign(bias)
    wrapper.vector.assign(np.linalg.svd(kernel)[0][:, 0])
    bare.kernel.assign(kernel / np.linalg.norm(kernel, 2))
    bare.bias.assign(bias)
    return wrapper, bare


CALLS = {
    "eager": lambda layer: lambda: layer(X, training=True),
    "graph": lambda layer: tf.function(lambda: layer(X, training=True)),
    "jit": lambda layer: tf.function(lambda: layer(X, training=True), jit_compile=True),
    "fit": lambda layer: lambda: fit(layer),
}


def fit(layer):
    model = keras.Sequential([keras.Input((8,)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(X, np.zeros((40, 5)), batch_size=40, verbose=0)


@pytest.mark.parametrize("how", CALLS)
def test_the_layer_keeps_what_it_keeps_without_the_wrapper(how):
    wrapper, bare = made()
    for layer in (wrapper, bare):
        layer(X)  # makes the normalization inside, which no function may do twice
    outputs, expected = (
        [call() for _ in range(3)] for call in (CALLS[how](wrapper), CALLS[how](bare))
    )
    if how != "fit":
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
        dropped = [output.numpy() == 0 for output in outputs]
        assert not np.array_equal(dropped[0], dropped[1])
    state = state_of(wrapper.layer)
    assert state["calls"] == 3
    for name, value in state_of(bare).items():
        np.testing.assert_allclose(state[name], value, rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_layer_that_makes_its_weights_in_its_call():
    wrapper, bare = made()
    np.testing.assert_allclose(wrapper(X, training=True), bare(X, training=True), atol=1e-4)
    np.testing.assert_allclose(
        wrapper.layer.norm.moving_mean, bare.norm.moving_mean, rtol=1e-4, atol=1e-4
    )
    names = collections.Counter(weight.name for weight in wrapper.weights)
    assert names["moving_mean"] == names["gamma"] == 1


def test_a_stateless_call_returns_the_state_and_assigns_nothing():
    results = []
    for layer in made():
        model = keras.Sequential([keras.Input((8,)), layer])
        model(X)
        variables = [variable for variable in model.non_trainable_variables]
        before = [variable.numpy() for variable in variables]
        _, after = model.stateless_call(model.trainable_variables, before, X, training=True)
        for variable, value in zip(variables, before, strict=True):
            np.testing.assert_array_equal(variable, value)
        names = [variable.path.split("/")[-1] for variable in variables]
        results.append(dict(zip(names, after, strict=True)))
    found, expected = results
    assert found["calls"] == 1
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=name)


class Assigning(L.Dense):
    """Sets its kernel to that which it is called with."""

    def call(self, inputs):
        self._kernel.assign(self.kernel * 1.0)
        return super().call(inputs)


def test_the_stored_kernel_is_not_assigned():
    wrapper = SpectralNormalization(Assigning(3))
    wrapper.build(X.shape)
    before = wrapper.layer.kernel.numpy()
    wrapper(X, training=True)
    np.testing.assert_array_equal(wrapper.layer.kernel, before)


def test_an_embeddings_mask_is_there_before_and_after_the_call():
    make = lambda: L.Embedding(6, 3, mask_zero=True)  # noqa: E731
    wrapper, bare = SpectralNormalization(make()), make()
    x, tokens = keras.Input((4,), dtype="int32"), np.array([[1, 2, 0, 0], [3, 0, 5, 5]])
    model, expected = (
        keras.Model(x, L.GlobalAveragePooling1D()(layer(x))) for layer in (wrapper, bare)
    )
    assert keras_internals.mask_of(wrapper(x)).shape == (None, 4)
    np.testing.assert_array_equal(keras_internals.mask_of(wrapper(tokens)), tokens != 0)
    for _ in range(60):
        wrapper(tokens, training=True)
    embeddings = wrapper.layer.embeddings.numpy()
    bare.embeddings.assign(embeddings / np.linalg.norm(embeddings, 2))
    np.testing.assert_allclose(model(tokens), expected(tokens), atol=1e-6)
    np.testing.assert_allclose(
        model.predict(tokens, verbose=0), expected.predict(tokens, verbose=0), atol=1e-6
    )


@pytest.mark.parametrize("layer", [L.Dense(3), L.EinsumDense("abc,cd->abd", (None, 3))])
def test_a_mask_goes_as_far_as_the_layer_lets_it(layer, recwarn):
    """A Dense hands it on, an EinsumDense warns that it does not: as without the wrapper."""
    x = L.Masking()(keras.Input((4, 5)))
    wrapper, ones = SpectralNormalization(layer), tf.ones((2, 4, 5))
    masks = [keras_internals.mask_of(called(x)) for called in (wrapper, layer)]
    assert (masks[0] is None) == (masks[1] is None) == (type(layer) is L.EinsumDense)
    assert wrapper.supports_masking == layer.supports_masking
    assert any(wrapper.name in str(one.message) for one in recwarn) == (masks[0] is None)
    masks = [keras_internals.mask_of(called(L.Masking()(ones))) for called in (wrapper, layer)]
    assert (masks[0] is None) == (masks[1] is None)


class Sum(L.Dense):
    """The sum over the positions that count."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        y = super().call(inputs)
        return y if mask is None else y * tf.cast(mask, y.dtype)[..., tf.newaxis]


def test_the_layer_is_called_with_the_mask():
    wrapper = SpectralNormalization(Sum(3))
    x, mask = RNG.normal(size=(2, 4, 5)).astype(np.float32), np.arange(4) < [[2], [3]]
    y = wrapper(x, mask=tf.constant(mask))
    np.testing.assert_array_equal(y.numpy().any(-1), mask)
    np.testing.assert_array_equal(keras_internals.mask_of(y), mask)
    outputs = keras.Input((4, 5))
    model = keras.Model(outputs, wrapper(L.Masking()(outputs)))
    np.testing.assert_array_equal(model(x * mask[..., None]).numpy().any(-1), mask)


REMAT = {
    "full": {"mode": "full"},
    "larger_than": {"mode": "larger_than", "output_size_threshold": 1},
    "the_layer": {"mode": "list_of_layers", "layer_names": ["inner"]},
    "the_wrapper": {"mode": "list_of_layers", "layer_names": ["wrapper"]},
    "activations": {"mode": "activations"},
}


def recomputed(scope, within, around):
    """A wrapper of a Dense, with the layer or the wrapper made in a scope that recomputes."""
    with keras.RematScope(**scope if within else {"mode": None}):
        layer = L.Dense(6, activation="tanh", name="inner")
    with keras.RematScope(**scope if around else {"mode": None}):
        wrapper = SpectralNormalization(layer, name="wrapper")
    wrapper.build((None, 8))
    return wrapper


def step(call, wrapper):
    """The gradients of a training call."""
    with tf.GradientTape() as tape:
        y = call(X, training=True)
    return tape.gradient(y, [weight.value for weight in wrapper.trainable_weights])


@pytest.mark.parametrize(("within", "around"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("mode", REMAT)
def test_gradients_of_recomputed_calls(mode, within, around):
    wrapper = recomputed(REMAT[mode], within, around)
    plain = SpectralNormalization(L.Dense(6, activation="tanh"))
    plain.build((None, 8))
    plain.set_weights(wrapper.get_weights())
    for layer in (wrapper, plain):
        layer.vector.assign(np.linalg.svd(layer.layer.kernel)[0][:, 0])
    for gradient, expected in zip(step(wrapper, wrapper), step(plain, plain), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("how", ["scope", "function"])
def test_a_recomputed_call_iterates_twice(how):
    """And its gradient is that of the second time."""
    wrapper = recomputed(REMAT["full"], within=False, around=how == "scope")
    plain = recomputed(REMAT["full"], within=False, around=False)
    plain.set_weights(wrapper.get_weights())
    call = wrapper if how == "scope" else keras.remat(wrapper)
    gradients = step(call, wrapper)
    step(plain, plain)
    expected = step(plain, plain)
    np.testing.assert_allclose(wrapper.vector, plain.vector, atol=1e-6)
    for gradient, value in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, value, rtol=1e-4, atol=1e-4)
    wrapper(X, training=True)
    plain(X, training=True)
    np.testing.assert_allclose(wrapper.vector, plain.vector, atol=1e-6)


def test_sigma_of_a_new_wrapper_is_too_small():
    """As the docstring says: by how much, and what a call with iterations does about it."""
    wrapper = SpectralNormalization(L.Dense(256, use_bias=False), power_iterations=20)
    x = np.eye(256, dtype=np.float32)
    for is_new in (True, False):
        norm = np.linalg.norm(wrapper(x), 2)
        assert (1.5 < norm < 3) if is_new else (1 < norm < 1.05)
        wrapper(x, training=True)
