"""Folding keeps masks: those that a model makes when it runs, and those that its caller gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests.folding import checked
from tfnorm import CenterScale, keras_internals
from tfnorm.folding.masks import ENDING_MASKS, JOINING_MASKS, unmasked_tensors

L = keras.layers
WORDS = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [6, 7, 8, 1, 2]])
LENGTHS = np.array([6, 3, 2, 1])
MASK = np.arange(6)[np.newaxis] < LENGTHS[:, np.newaxis]
ROWS = np.random.default_rng(0).normal(0.5, 1.0, size=(4, 6, 3)).astype(np.float32)
PADDED = np.where(MASK[..., np.newaxis], ROWS, 0.0)
IMAGES = np.random.default_rng(0).normal(0.5, 1.0, size=(4, 6, 5, 3)).astype(np.float32)


def shifted(layer):
    """A normalization that is far from the identity."""
    layer.build((None, None, 4))
    layer.moving_mean.assign([1.0, -1.0, 0.5, 0.0])
    return layer


class MaskOfItsOwn(L.Layer):
    """Rules out rows of which the first number is negative."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return inputs

    def compute_mask(self, inputs, mask=None):
        return inputs[..., 0] > 0


class MaskWhenCalled(L.Layer):
    """Hands on what a layer within it has masked, of which its own output tells nothing."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.masking = L.Masking()

    def call(self, inputs):
        return self.masking(inputs)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, inputs.dtype)


def sequential(*layers, name):
    return keras.Sequential(list(layers), name=name)


def bidirectional(**options):
    return L.Bidirectional(L.LSTM(2, return_sequences=True), **options)


# From inputs to what a normalization takes, under a mask.
MASKED = {
    "Masking": lambda x: L.Dense(4, activation="tanh")(L.Masking()(x)),
    "behind SpectralNormalization": lambda x: tfnorm.SpectralNormalization(
        L.Dense(4, activation="tanh")
    )(L.Masking()(x)),
    "behind a model": lambda x: sequential(
        keras.Input((6, 3)), L.Masking(), L.Dense(4, activation="tanh"), name="model"
    )(x),
    "behind two models": lambda x: sequential(
        keras.Input((6, 3)),
        sequential(keras.Input((6, 3)), L.Masking(), name="inner"),
        L.Dense(4, activation="tanh"),
        name="outer",
    )(x),
    "through a model": lambda x: sequential(
        keras.Input((6, 3)), L.Dense(4, activation="tanh"), name="model"
    )(L.Masking()(x)),
    "a layer's own": lambda x: L.Dense(4, activation="tanh")(MaskOfItsOwn()(x)),
    "of a layer within": lambda x: L.Dense(4, activation="tanh")(MaskWhenCalled()(x)),
    "TimeDistributed": lambda x: L.TimeDistributed(L.Dense(4, activation="tanh"))(L.Masking()(x)),
    "Bidirectional": lambda x: bidirectional()(L.Masking()(x)),
    "LSTM": lambda x: L.LSTM(4, return_sequences=True)(L.Masking()(x)),
    "attention": lambda x: L.MultiHeadAttention(2, 3, output_shape=4)(
        (y := L.Masking()(x)), y
    ),
    "Concatenate": lambda x: L.Concatenate()([
        L.Dense(2, activation="tanh")(y := L.Masking()(x)), L.ReLU()(L.Dense(2)(y))
    ]),
    "Add": lambda x: L.Add()([
        L.Dense(4, activation="tanh")(y := L.Masking()(x)), L.ReLU()(L.Dense(4)(y))
    ]),
    "Lambda": lambda x: L.Lambda(lambda x: tf.tanh(x), mask=lambda x, mask: mask)(
        L.Dense(4)(L.Masking()(x))
    ),
}  # fmt: skip


@pytest.mark.parametrize("make_norm", [checked.BatchNormalization, checked.BatchWhitening])
@pytest.mark.parametrize("name", MASKED)
def test_a_mask_is_handed_on(name, make_norm):
    inputs = keras.Input((6, 3))
    norm = make_norm(name="norm")
    y = norm(MASKED[name](inputs))
    model = checked.trained(keras.Model(inputs, [L.LSTM(3)(y), y]), PADDED)
    sequence = model(PADDED)[1]
    assert keras_internals.mask_of(sequence) is not None, "There is nothing to test."
    folded = checked.folded(model, PADDED)
    assert checked.kinds(folded)["norm"] == "Dense"


def test_a_mask_of_words_in_a_model():
    encoder = sequential(
        keras.Input((5,), dtype="int32"), L.Embedding(10, 4, mask_zero=True), name="encoder"
    )
    inputs = keras.Input((5,), dtype="int32")
    model = keras.Model(
        inputs, L.LSTM(3)(shifted(L.BatchNormalization(name="norm"))(encoder(inputs)))
    )
    checked.folded(model, WORDS)


@pytest.mark.parametrize("make_norm", [checked.BatchNormalization, checked.BatchWhitening])
def test_a_mask_of_images(make_norm):
    inputs = keras.Input((6, 5, 3))
    y = make_norm(name="norm")(L.ReLU()(L.Masking()(inputs)))
    model = checked.trained(keras.Model(inputs, [y, L.TimeDistributed(L.LSTM(2))(y)]), IMAGES)
    folded = checked.folded(model, IMAGES)
    kind = "CenterScale" if make_norm is checked.BatchNormalization else "Dense"
    assert checked.kinds(folded)["norm"] == kind


def masked_inputs():
    return keras.Input((6, 3)), keras.Input((6,), dtype="bool")


def test_a_mask_that_is_given_to_unitization():
    x, mask = masked_inputs()
    unitization = checked.Unitization(name="unit")
    model = keras.Model([x, mask], unitization(L.Dense(5, name="dense")(x), mask=mask))
    folded = checked.folded(checked.trained(model, [ROWS, MASK]), [ROWS, MASK])
    assert checked.kinds(folded) == {"dense": "Dense", "unit": "Unitization"}
    assert not folded.get_layer("unit").moving_mean.numpy().any()


@pytest.mark.parametrize("make_norm", [checked.BatchNormalization, checked.BatchWhitening])
def test_a_normalization_that_is_given_a_mask_stays(make_norm):
    x, mask = masked_inputs()
    norm = make_norm(name="norm")
    y = norm(L.Dense(5, name="dense")(x), mask=mask)
    model = keras.Model([x, mask], L.LSTM(3)(CenterScale(name="last")(y)))
    folded = checked.folded(checked.trained(model, [ROWS, MASK]), [ROWS, MASK])
    assert checked.kinds(folded)["norm"] == type(norm).__name__
    assert checked.kinds(folded)["last"] == "Dense"


def test_calls_with_several_masks():
    x, mask = masked_inputs()
    norm = checked.BatchNormalization(name="norm")
    masks = [mask, keras.ops.logical_not(mask)]
    outputs = [L.LSTM(2)(norm(x, mask=one)) for one in masks]
    model = checked.trained(keras.Model([x, mask], [*outputs, norm(x)]), [ROWS, MASK])
    checked.folded(model, [ROWS, MASK])


@pytest.mark.parametrize("around", [False, True])
def test_a_mask_that_is_given_to_a_model(around):
    encoder = sequential(
        keras.Input((6, 3)), L.Dense(5, activation="tanh"), checked.BatchNormalization(name="norm"),
        L.LSTM(2), name="encoder",
    )  # fmt: skip
    if around:
        encoder = sequential(keras.Input((6, 3)), encoder, name="around")
    x, mask = masked_inputs()
    model = checked.trained(keras.Model([x, mask], encoder(x, mask=mask)), [ROWS, MASK])
    folded = checked.folded(model, [ROWS, MASK])
    difference = folded([ROWS, MASK]) - folded([ROWS, np.ones_like(MASK)])
    assert np.abs(difference).max() > 1e-3


def test_a_mask_that_the_model_is_called_with():
    model = checked.model(
        (6, 3), L.ReLU(), checked.BatchWhitening(name="norm"), L.Dense(4, activation="tanh"),
        checked.BatchNormalization(), L.LSTM(2),
    )  # fmt: skip
    checked.trained(model, ROWS)
    folded = checked.folded(model, ROWS)
    outputs = [one(ROWS, mask=MASK) for one in (model, folded)]
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4, atol=1e-6)
    assert np.abs(outputs[0] - model(ROWS)).max() > 1e-3


def test_a_mask_is_known_again_in_a_model_that_is_loaded_or_copied(tmp_path):
    inputs = keras.Input((6, 3))
    y = L.Dense(4, name="a")(L.Masking(name="masking")(inputs))
    y = checked.BatchNormalization(name="norm")(L.Add(name="add")([y, L.Dense(4, name="b")(y)]))
    y = L.Dense(3, name="last")(y)
    model = checked.trained(keras.Model(inputs, L.LSTM(3, name="lstm")(y)), PADDED)
    model.save(tmp_path / "model.keras")
    copy = tfnorm.replace_batch_normalization(
        model, lambda name, config: L.BatchNormalization.from_config(config)
    )
    for one in (model, keras.saving.load_model(tmp_path / "model.keras"), copy):
        kinds = checked.kinds(checked.folded(one, PADDED))
        assert set(kinds) == {"masking", "a", "b", "add", "last", "lstm"}


def test_difference_under_masks():
    class Unmasked(L.Layer):
        """Ends masks after it is copied."""

        def __init__(self, copied=False, **kwargs):
            super().__init__(**kwargs)
            self.copied, self.supports_masking = copied, True

        def call(self, inputs):
            return inputs + 0.0

        def compute_mask(self, inputs, mask=None):
            return None if self.copied else mask

        def get_config(self):
            return super().get_config() | {"copied": True}

    model = checked.model((6, 3), L.Masking(), Unmasked())
    assert tfnorm.fold_normalization(model, PADDED)[1] == np.inf
    assert tfnorm.fold_normalization(checked.model((6, 3), L.Masking()), PADDED)[1] == 0


# What is known of masks before a model runs


MADE = {
    L.Flatten: L.Flatten,
    L.Reshape: lambda: L.Reshape((-1,)),
    L.UpSampling2D: lambda: L.UpSampling2D(1),
}


def made(cls):
    if cls in MADE:
        return MADE[cls]()
    if "Global" in cls.__name__:
        return cls()
    if "Pooling" in cls.__name__:
        return cls(1)
    return cls(1) if "Depthwise" in cls.__name__ else cls(3, 1)


def rank(cls):
    return next((int(digit) + 2 for digit in "123" if f"{digit}D" in cls.__name__), 3)


@pytest.mark.filterwarnings("ignore:.*destroy the mask")
@pytest.mark.parametrize("cls", sorted(ENDING_MASKS, key=str), ids=lambda cls: cls.__name__)
def test_layers_that_end_masks(cls):
    layer = made(cls)
    x = tf.ones([2, 4, 4, 4][: rank(cls) - 1] + [3])
    masks = []

    def call(x):
        masked = L.Masking()(x)
        masks.append([keras_internals.mask_of(y) for y in (masked, layer(masked))])

    call(x)
    tf.function(call, autograph=False)(x)
    for mask, handed_on in masks:
        assert mask is not None and handed_on is None


@pytest.mark.parametrize("cls", sorted(JOINING_MASKS, key=str), ids=lambda cls: cls.__name__)
def test_layers_that_join_masks_make_none_of_none(cls):
    assert keras_internals.mask_of(cls()([tf.ones([2, 3, 4])] * 2)) is None


def test_tensors_without_masks():
    x = keras.Input((8, 8, 3))
    ended = L.Conv2D(4, 3)(x)
    body = keras.Model(*(lambda y: (y, L.ReLU()(y)))(keras.Input((6, 6, 4))), name="body")
    through = {
        "activation": L.ReLU()(ended),
        "norm": tfnorm.BatchWhitening()(ended),
        "sum": L.Add()([ended, L.ReLU()(ended)]),
        "operation": keras.ops.relu(ended) + ended,
        "model": body(ended),
        "labels": tfnorm.ConditionalCenterScale(3)(ended, labels := keras.Input((), dtype="int32")),
        "spectral": tfnorm.SpectralNormalization(L.Dense(3))(ended),
    }
    masked = {
        "input": x,
        "before": L.ReLU()(x),
        "one of two": L.Concatenate()([ended, L.Dense(4)(L.Cropping2D(1)(x))]),
        "made": L.Masking()(ended),
        "given": L.BatchNormalization()(ended, mask=keras.ops.any(ended > 0, axis=-1)),
        "own": MaskOfItsOwn()(ended),
        "within": L.TimeDistributed(L.Dense(3))(ended),
        "function": L.Lambda(lambda x: x)(ended),
        "model": body(L.Dense(4)(L.Cropping2D(1)(x))),
        "spectral": tfnorm.SpectralNormalization(L.Dense(3))(x),
    }
    model = keras.Model([x, labels], [*through.values(), *masked.values()])
    unmasked = unmasked_tensors(model)
    assert {name for name, y in through.items() if id(y) not in unmasked} == set()
    assert {name for name, y in masked.items() if id(y) in unmasked} == set()
    known = unmasked_tensors(model, unmasked_inputs=True)
    assert {name for name, y in masked.items() if id(y) in known} == {
        "input", "before", "one of two", "model", "spectral"
    }  # fmt: skip


def test_models_within_know_what_comes_in():
    def body(name):
        norm = checked.BatchNormalization(name="norm")
        return sequential(keras.Input((6, 6, 4)), L.ReLU(), norm, L.ReLU(), name=name)

    free, bound = body("free"), body("bound")
    x = keras.Input((6, 6, 4))
    model = checked.trained(keras.Model(x, [free(L.Conv2D(4, 1)(x)), bound(x)]))
    folded = checked.folded(model)
    assert checked.kinds(folded.get_layer("free"))["norm"] == "DepthwiseConv2D"
    assert checked.kinds(folded.get_layer("bound"))["norm"] == "CenterScale"
