"""SpectralNormalization of the kernel that a layer applies: with LoRA, quantised, of what kind."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests import gradients
from tests.keras_versions import since
from tfnorm import Coloring, SpectralNormalization

L = keras.layers
RNG = np.random.default_rng(0)
INPUTS, WIDTH, ROWS = 12, 6, 7
POSITIONS = np.eye(INPUTS, dtype=np.float32)
# How to make the layer, and inputs of which each gives back a row of its kernel.
LAYERS = {
    "dense": (lambda: L.Dense(WIDTH), POSITIONS),
    "einsum": (lambda: L.EinsumDense("ab,cb->ac", WIDTH), POSITIONS),
    "projection": (lambda: L.EinsumDense("abc,cde->abde", (None, 3, 4)), POSITIONS[None]),
    "attention_output": (
        lambda: L.EinsumDense("abde,dec->abc", (None, WIDTH)),
        POSITIONS.reshape(1, INPUTS, 3, 4),
    ),
    "embedding": (lambda: L.Embedding(ROWS, WIDTH), np.arange(ROWS)),
    "reversible_embedding": (lambda: L.ReversibleEmbedding(ROWS, WIDTH), np.arange(ROWS)),
    "conv": (lambda: L.Conv1D(WIDTH, 1), POSITIONS[None]),
}
QUANTISED = [name for name in LAYERS if name != "conv"]
MODES = {
    "int8": {"mode": "int8"},
    "float8": {"mode": "float8"},
}
if since("3.14"):  # Before, int4 is refused.
    MODES["int4"] = {"config": keras.quantizers.Int4QuantizationConfig(block_size=-1)}
    MODES["int4_in_blocks"] = {"config": keras.quantizers.Int4QuantizationConfig(block_size=4)}


@pytest.fixture(autouse=True)
def seed():
    """The same numbers in whatever order: two nearly equal singular values take many iterations."""
    global RNG
    RNG = np.random.default_rng(0)
    keras.utils.set_random_seed(0)


def add_lora(layer, scale=0.3):
    """Enables LoRA, with factors that change the kernel."""
    layer.enable_lora(2, lora_alpha=3)
    for weight in layer.weights:
        if weight.name.endswith("_b"):
            weight.assign(RNG.normal(scale=scale, size=weight.shape))


def rows_of_kernel(layer, inputs):
    """What the layer makes of inputs that give back the rows of its kernel: a matrix."""
    rows = np.asarray(layer(inputs))
    return rows.reshape(-1, rows.shape[-1])


def norm(name, rows):
    """The norm of the kernel: of all its axes but the last as rows."""
    layer, inputs = LAYERS[name][0](), LAYERS[name][1]
    layer.build(inputs.shape)  # which Keras 3.14 needs to know the next
    outputs = layer.compute_output_shape(inputs.shape)[-1]
    return np.linalg.norm(rows.reshape(-1, outputs), 2)


@pytest.mark.parametrize("wrapped_first", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantised_kernel_has_norm_1(name, mode, wrapped_first):
    """The layer's own output gives the kernel that the whole numbers and scales stand for."""
    make, inputs = LAYERS[name]
    layer = make()
    wrapper = SpectralNormalization(layer, power_iterations=100)
    (wrapper if wrapped_first else layer)(inputs)
    if mode == "float8" and "embedding" in name:
        with pytest.raises(NotImplementedError):  # of Keras
            layer.quantize(**MODES[mode])
        return
    before = rows_of_kernel(layer, inputs)
    layer.quantize(**MODES[mode])
    kernel = rows_of_kernel(layer, inputs)
    assert not np.array_equal(kernel, before)
    wrapper(inputs, training=True)
    # float8 rounds both, to 3 bits after the first.
    truth, step = kernel / norm(name, kernel), 1 / 8 if mode == "float8" else 2e-5
    np.testing.assert_allclose(
        rows_of_kernel(wrapper, inputs), truth, atol=step * np.abs(truth).max()
    )


def test_a_quantised_model_answers_as_before():
    """The same within 2 %, and not on the data that it was quantised for."""
    model = keras.Sequential([keras.Input((8,)), SpectralNormalization(L.Dense(6))])
    x = RNG.normal(size=(16, 8)).astype(np.float32)
    for _ in range(40):
        model(x, training=True)
    before = model.predict(x, verbose=0)
    model.quantize("int8")
    after = model.predict(x, verbose=0)
    assert 0 < np.abs(after - before).max() < 0.02 * np.abs(before).max()


@pytest.mark.parametrize("wrapped_first", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_a_kernel_with_lora_has_norm_1(name, wrapped_first):
    make, inputs = LAYERS[name]
    layer = make()
    wrapper = SpectralNormalization(layer, power_iterations=100)
    (wrapper if wrapped_first else layer)(inputs)
    add_lora(layer)
    kernel = rows_of_kernel(layer, inputs)
    wrapper(inputs, training=True)
    expected = kernel / norm(name, kernel)
    np.testing.assert_allclose(rows_of_kernel(wrapper, inputs), expected, atol=2e-6)


def test_the_gradient_reaches_the_factors_through_sigma():
    layer = L.Dense(4)
    wrapper = SpectralNormalization(layer, power_iterations=100)
    x, dy = RNG.normal(size=(7, 5)).astype(np.float32), RNG.normal(size=(7, 4)).astype(np.float32)
    wrapper(x)
    stored = layer.kernel.numpy()
    add_lora(layer)
    factors = [layer.lora_kernel_a, layer.lora_kernel_b]
    assert [w.name for w in wrapper.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    with tf.GradientTape() as tape:
        y = wrapper(x, training=True)
    found = tape.gradient(y, [weight.value for weight in factors], output_gradients=dy)
    a, b = (weight.numpy().astype(np.float64) for weight in factors)

    def output(a, b):
        whole = stored + 1.5 * a @ b
        return np.sum(dy * (x @ (whole / np.linalg.norm(whole, 2))))

    truths = (
        gradients.by_differences(lambda value: output(value, b), a),
        gradients.by_differences(lambda value: output(a, value), b),
    )
    for gradient, truth in zip(found, truths, strict=True):
        assert gradients.relative_error(gradient, truth) < 1e-4


def test_lora_is_trained():
    layer = L.Dense(4)
    model = keras.Sequential([keras.Input((5,)), SpectralNormalization(layer)])
    layer.enable_lora(2)
    kernel = next(weight for weight in layer.weights if weight.name == "kernel")
    stored = kernel.numpy()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(RNG.normal(size=(8, 5)), RNG.normal(size=(8, 4)), verbose=0)
    assert np.abs(layer.lora_kernel_b).max() > 1e-3  # from zeros
    np.testing.assert_array_equal(kernel, stored)


@pytest.mark.parametrize("mode", sorted({"int8", "int4_in_blocks"} & MODES.keys()))
@pytest.mark.parametrize("name", ["dense", "projection", "attention_output", "embedding"])
def test_lora_on_a_quantised_kernel(name, mode):
    """Inference is normalised; training, of which sigma would get no gradient, is refused."""
    make, inputs = LAYERS[name]
    layer = make()
    wrapper = SpectralNormalization(layer)
    wrapper(inputs)
    layer.quantize(**MODES[mode])
    add_lora(layer)
    kernel = rows_of_kernel(layer, inputs)
    matrix = kernel.reshape(*wrapper.vector.shape, -1)
    left, (sigma, *_), _ = np.linalg.svd(matrix)
    wrapper.vector.assign(left[:, 0])
    np.testing.assert_allclose(rows_of_kernel(wrapper, inputs), kernel / sigma, atol=2e-5)
    received = f"layer.quantization_mode='{layer.quantization_mode}', layer.lora_rank=2"
    with pytest.raises(ValueError, match=received):
        wrapper(inputs, training=True)


def test_float8_is_trained():
    """Keras' scales are those of the kernel over sigma, which has no entry above 1."""
    layer = L.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0.0, 30.0, seed=0))
    wrapper = SpectralNormalization(layer, power_iterations=50)
    model = keras.Sequential([keras.Input((5,)), wrapper])
    model.quantize("float8")
    kernel = layer.kernel.numpy()
    model.compile(keras.optimizers.SGD(10.0), "mse")
    model.fit(RNG.normal(size=(8, 5)), RNG.normal(size=(8, 4)), epochs=12, verbose=0)
    assert np.abs(layer.kernel.numpy() - kernel).max() > 1e-3
    largest = np.sort(layer.kernel_amax_history)[-12:]
    assert largest.max() <= 1.001 and largest.min() > 0


def test_a_kernel_of_zeros_is_zeros_when_quantised():
    layer = L.Dense(3, kernel_initializer="zeros")
    wrapper = SpectralNormalization(layer)
    wrapper(POSITIONS)
    layer.quantize("int8")
    np.testing.assert_array_equal(wrapper(POSITIONS, training=True), np.zeros((INPUTS, 3)))


def test_other_quantisation_is_refused():
    layer = L.Dense(4)
    wrapper = SpectralNormalization(layer)
    wrapper(POSITIONS)
    if since("3.14"):
        other, options = (
            "gptq",
            {"config": keras.quantizers.GPTQConfig(dataset=["a"], tokenizer=str)},
        )
    else:
        other, options = "int4", {"mode": "int4"}
    layer.quantize(**options)
    with pytest.raises(ValueError, match=f"Received: layer.quantization_mode='{other}'"):
        wrapper(POSITIONS)


@pytest.mark.parametrize("change", ["lora", *sorted(MODES.keys() - {"int4_in_blocks"})])
def test_a_changed_kernel_is_saved_loaded_and_folded(change, tmp_path):
    layer = L.Dense(6)
    model = keras.Sequential([keras.Input((8,)), SpectralNormalization(layer)])
    x = RNG.normal(size=(16, 8)).astype(np.float32)
    for _ in range(5):
        model(x, training=True)
    if change == "lora":
        add_lora(layer)
    else:
        model.quantize(change)
    expected = np.asarray(model(x))
    assert np.abs(expected).max() > 0.5
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), expected, atol=1e-6)
    if change != "float8":  # which Keras does not export
        model.export(tmp_path / "exported", verbose=False)
        exported = tf.saved_model.load(str(tmp_path / "exported"))
        np.testing.assert_allclose(exported.serve(x), expected, atol=1e-6)
    folded, _ = tfnorm.fold_normalization(model)
    assert type(folded.layers[-1]) is L.Dense
    np.testing.assert_allclose(folded(x), expected, atol=1e-6)


def test_layers_of_the_package_are_not_quantised():
    model = keras.Sequential([keras.Input((8,)), SpectralNormalization(Coloring())])
    x = RNG.normal(size=(16, 8)).astype(np.float32)
    expected = model(x)
    with pytest.warns(UserWarning, match="Coloring does not have a `quantize`"):
        model.quantize("int8")
    np.testing.assert_array_equal(model(x), expected)


@pytest.mark.parametrize(
    ("make", "shape"), [(L.SeparableConv1D, (5,)), (L.SeparableConv2D, (5, 6))]
)
def test_both_kernels_of_a_separable_convolution(make, shape):
    options = {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}
    layer, bare = make(**options), make(**options)
    wrapper = SpectralNormalization(layer, power_iterations=100)
    x = RNG.normal(size=(2, *shape, 3)).astype(np.float32)
    y = wrapper(x, training=True)
    vectors = {w.name: tuple(w.shape) for w in wrapper.non_trainable_weights}
    taps = 3 ** len(shape)
    assert vectors == {"depthwise_vector": (3 * taps,), "pointwise_vector": (6,)}
    bare.build(x.shape)
    depthwise, pointwise, bias = layer.get_weights()
    bare.set_weights([*map(over_norm, (depthwise, pointwise)), bias])
    np.testing.assert_allclose(y, bare(x), atol=1e-6)


def over_norm(kernel):
    return kernel / np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2)


class Gated(L.Dense):
    def build(self, input_shape):
        super().build(input_shape)
        self.gate = L.Dense(self.units)
        self.gate.build(input_shape)


@pytest.mark.parametrize(
    ("layer", "kernels"),
    [
        (L.LSTMCell(3), "recurrent_kernel"),
        (L.GRUCell(3), "recurrent_kernel"),
        (L.SimpleRNNCell(3), "recurrent_kernel"),
        (L.ReversibleEmbedding(5, 3, tie_weights=False), "reverse_embeddings"),
        (Gated(3), "/kernel"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_layer_of_which_a_part_would_stay_is_refused(layer, kernels):
    with pytest.raises(ValueError, match=f"Received: layer=<{type(layer).__name__}.*{kernels}'"):
        SpectralNormalization(layer).build((None, 8))


@pytest.mark.parametrize(
    "layer", [L.MultiHeadAttention(2, 3), L.LSTM(3), L.TimeDistributed(L.Dense(3))]
)
def test_a_layer_whose_kernels_are_in_others_is_refused(layer):
    with pytest.raises(ValueError, match=f"Received: layer=<{type(layer).__name__}"):
        SpectralNormalization(layer)(np.ones((2, 4, 8), np.float32))


class Standardised(L.Dense):
    @property
    def kernel(self):
        return self._kernel - keras.ops.mean(self._kernel)


def test_a_kernel_that_another_computes_is_refused():
    with pytest.raises(ValueError, match="Received: layer=<Standardised"):
        SpectralNormalization(Standardised(3)).build((None, 8))


class Traced(L.Dense):
    call = tf.function(L.Dense.call)


def test_a_call_that_is_traced_once_is_refused():
    with pytest.raises(ValueError, match="Received: layer=<Traced"):
        SpectralNormalization(Traced(3))
