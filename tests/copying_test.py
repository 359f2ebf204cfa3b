"""Copies of layers: what they know is the same, and is their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnorm import copying, keras_internals

L = keras.layers
WORDS = tf.constant([["a", "b"], ["b", "zz"]])
NUMBERS = np.array([[3, 9], [4, 4]])
ROWS = np.random.default_rng(0).normal(2.0, 3.0, size=(20, 3)).astype(np.float32)


def copied(layer):
    copy = copying.new_like(layer)
    copying.copy_state(layer, copy)
    return copy


def adapted(layer, data):
    layer.adapt(data)
    return layer


def with_vocabulary(layer, *arguments):
    layer.set_vocabulary(*arguments)
    return layer


def built(layer, shape=(None, 3)):
    layer.build(shape)
    return layer


def with_low_rank(layer):
    """The layer after a step of training of its low-rank update."""
    layer.enable_lora(2, lora_alpha=3)
    layer.lora_kernel_b.assign(np.full(layer.lora_kernel_b.shape, 0.5))
    return layer


def quantized(layer, mode):
    layer.quantize(mode)
    return layer


def vocabulary_file(folder):
    path = folder / "words.txt"
    path.write_text("q\nb\n")
    return str(path)


# A layer, and what it is called on.
KNOWING = {
    "dense": (lambda: built(L.Dense(4, bias_initializer="normal")), ROWS),
    "normalization": (lambda: adapted(L.Normalization(), ROWS), ROWS),
    "normalization of all": (lambda: adapted(L.Normalization(axis=None), ROWS), ROWS),
    "discretization": (lambda: adapted(L.Discretization(num_bins=3), ROWS), ROWS),
    **{
        f"strings, {mode}": (
            lambda mode=mode: adapted(L.StringLookup(output_mode=mode), ["a", "b", "b"]),
            WORDS,
        )
        for mode in ("int", "multi_hot", "count", "tf_idf")
    },
    "strings from a list": (lambda: L.StringLookup(vocabulary=["q", "b"]), WORDS),
    "strings set": (lambda: with_vocabulary(L.StringLookup(), ["q", "b"]), WORDS),
    "integers": (lambda: adapted(L.IntegerLookup(), NUMBERS[:1]), NUMBERS),
    **{
        f"text, {mode}": (
            lambda mode=mode: adapted(L.TextVectorization(output_mode=mode), ["a b", "b c c"]),
            tf.constant(["a c z", "b"]),
        )
        for mode in ("int", "tf_idf")
    },
    "int8": (lambda: quantized(built(L.Dense(4)), "int8"), ROWS),
    "int4": (lambda: quantized(built(L.Dense(4)), "int4"), ROWS),
    "low rank": (lambda: with_low_rank(built(L.Dense(4))), ROWS),
    "low rank of int8": (lambda: with_low_rank(quantized(built(L.Dense(4)), "int8")), ROWS),
    "nested": (
        lambda: built(L.Bidirectional(L.RNN([L.LSTMCell(2), L.GRUCell(2)])), (None, 2, 3)),
        ROWS.reshape(10, 2, 3),
    ),
}


@pytest.mark.parametrize("name", KNOWING)
def test_a_copy_computes_the_same(name):
    make, x = KNOWING[name]
    layer = make()
    before = layer.get_config(), [weight.numpy() for weight in layer.weights]
    expected = np.asarray(layer(x))
    copy = copied(layer)
    np.testing.assert_array_equal(copy(x), expected)
    assert not {id(weight) for weight in copy.weights} & {id(weight) for weight in layer.weights}
    assert layer.get_config() == before[0] == copy.get_config()
    for weight, value in zip(layer.weights, before[1], strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_a_vocabulary_of_a_file(tmp_path):
    layer = L.StringLookup(vocabulary=vocabulary_file(tmp_path))
    np.testing.assert_array_equal(copied(layer)(WORDS), layer(WORDS))


def test_a_low_rank_update_stays_one_that_learns():
    layer = with_low_rank(built(L.Dense(4)))
    copy = copied(layer)
    names = [weight.name for weight in copy.trainable_weights]
    assert names == ["bias", "lora_kernel_a", "lora_kernel_b"]
    for weight, copied_weight in zip(layer.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(copied_weight, weight)


def test_low_rank_updates_within_a_layer_that_does_not_know_of_them():
    layer = L.MultiHeadAttention(2, 3)
    layer.build((None, 4, 5), (None, 4, 5))
    inner = keras_internals.with_inner_layers(layer)
    with_low_rank(next(one for one in inner if isinstance(one, L.EinsumDense)))
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(copied(layer)(x, x), layer(x, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [L.Dropout(0.5, seed=3), L.RandomFlip(), L.RandomRotation(0.5)])
def test_a_copy_goes_on_with_the_same_random_numbers(layer):
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    layer(x, training=True)
    copy = copied(layer)
    np.testing.assert_array_equal(copy(x, training=True), layer(x, training=True))


@pytest.mark.parametrize("make", [L.StringLookup, L.TextVectorization])
def test_a_lookup_that_was_never_adapted_can_be_adapted_as_a_copy(make):
    copy = copied(make())
    copy.adapt(["a", "b", "b"])
    assert "b" in copy.get_vocabulary()


class Sized(L.Layer):
    """Knows its size, and how it was built, when it is built."""

    def build(self, input_shape):
        self.size = input_shape[-1]

    def get_build_config(self):
        return {"input_shape": (None, self.size)}


def test_a_layer_that_is_not_built():
    assert not copied(L.Dense(4)).built
    assert not copied(Sized()).built
    assert copied(built(Sized())).size == 3


class Halved(L.Layer):
    """Has half as many layers after it is copied."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count
        self.inner = [L.ReLU() for _ in range(count)]

    def get_config(self):
        return super().get_config() | {"count": self.count // 2}


def test_a_copy_with_fewer_layers_is_refused():
    with pytest.raises(ValueError, match="is shorter than"):
        copied(Halved(4))


def test_changes_of_the_configuration():
    copy = copying.new_like(L.Dense(4, activation="relu", name="a"), name="b")
    assert (copy.name, copy.units, copy.activation) == ("b", 4, keras.activations.relu)
    function = L.Lambda(lambda x: x, name="a")
    copy = copying.new_like(function, name="b")
    assert (copy.name, copy.function) == ("b", function.function)


def test_operations():
    x = keras.Input((6, 4))
    reshape = keras_internals.maker_of(keras.ops.reshape(x, (-1, 3, 8)))
    copy = copying.new_like(reshape)
    assert copy is not reshape
    assert copy(np.ones((2, 6, 4))).shape == (2, 3, 8)


def test_functions_keep_the_names_that_they_use():
    scale = 3.0

    def shifted(x):
        return scale * tf.identity(x) + 1

    within = L.TimeDistributed(L.Lambda(lambda x: scale * tf.identity(x), name="within"))
    model = keras.Sequential([L.Lambda(shifted, name="named")], name="model")
    x = np.ones((2, 5, 3), np.float32)
    for layer in (
        L.Lambda(lambda x: scale * tf.identity(x), output_shape=lambda shape: shape),
        L.Lambda(shifted, dtype="float64", trainable=False),
        within,
        L.TimeDistributed(within, name="twice"),
    ):
        copy = copied(layer)
        values = x[:, np.newaxis] if layer.name == "twice" else x
        np.testing.assert_array_equal(copy(values), layer(values))
        assert (copy.dtype_policy, copy.trainable) == (layer.dtype_policy, layer.trainable)
    np.testing.assert_array_equal(copying.copy_model(model)(x), model(x))


class Scaled(L.Lambda):
    """A Lambda of a class of one's own."""

    def __init__(self, function, scale=2.0, **kwargs):
        super().__init__(function, **kwargs)
        self.scale = scale

    def call(self, inputs):
        return self.scale * self.function(inputs)

    def get_config(self):
        return super().get_config() | {"scale": self.scale}


def test_a_subclass_of_lambda_stays_one():
    shift = 1.0
    layer = Scaled(lambda x: tf.identity(x) + shift, scale=3.0)
    copy = copied(layer)
    assert type(copy) is Scaled
    np.testing.assert_array_equal(copy(ROWS), layer(ROWS))


class Own(L.Layer):
    """Makes a function of its own each time, and a layer when it is built."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.function = L.Lambda(lambda x: x + len(self.name))

    def build(self, input_shape):
        self.dense = L.Dense(2, bias_initializer="normal")
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.dense(self.function(inputs))


def test_layers_and_functions_that_a_layer_makes_for_itself():
    layer = built(Own(name="own"))
    copy = copied(layer)
    assert copy.function.function is not layer.function.function
    np.testing.assert_array_equal(copy(ROWS), layer(ROWS))


def test_code_of_a_file_is_trusted_as_little_as_before():
    copied(L.TimeDistributed(L.Lambda(lambda x: x)))
    with pytest.raises(ValueError, match="safe_mode"):
        L.Lambda.from_config(L.Lambda(lambda x: x).get_config())


def test_a_model_is_copied_with_what_its_layers_know():
    words, numbers = keras.Input((2,), dtype="string", name="words"), keras.Input((3,), name="n")
    lookup = adapted(L.StringLookup(output_mode="multi_hot"), ["a", "b", "b"])
    normalization = adapted(L.Normalization(), ROWS)
    shared = L.Dense(3, name="shared")
    inner = keras.Sequential([shared, L.Lambda(lambda x: tf.abs(x))], name="inner")
    y = L.Concatenate()([lookup(words), inner(shared(normalization(numbers)))])
    model = keras.Model({"words": words, "n": numbers}, [y, L.BatchNormalization()(y)])
    model.get_layer("shared").trainable = False

    copy = copying.copy_model(model)
    x = {"words": WORDS, "n": tf.constant(ROWS[:2])}
    for value, expected in zip(copy(x), model(x), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert [weight.path for weight in copy.weights] == [weight.path for weight in model.weights]
    assert copy.get_layer("inner").get_layer("shared") is copy.get_layer("shared")
    assert not copy.get_layer("shared").trainable
    assert not {id(weight) for weight in copy.weights} & {id(weight) for weight in model.weights}
