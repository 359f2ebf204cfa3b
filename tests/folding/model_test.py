"""The folded model as a whole: layers that stay, dtypes, nested models, export, a deep network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests.folding import checked
from tests.keras_versions import unconnected_inputs
from tfnorm import CenterScale, Coloring

L = keras.layers
SHAPE = (5, 7, 6)


@keras.saving.register_keras_serializable(package="folding_test")
class Offset(L.Layer):
    """A layer that the folding does not know."""

    def build(self, input_shape):
        self.offset = self.add_weight(shape=(input_shape[-1],), initializer="random_normal")

    def call(self, inputs):
        return inputs + self.offset


def trained_model(*arguments):
    return checked.trained(checked.model(*arguments))


@pytest.mark.parametrize(
    "model",
    [
        "model",
        None,
        keras.layers.BatchNormalization(),
        keras.Sequential([keras.layers.Dense(3)], name="open"),
    ],
)
def test_what_is_no_built_model(model):
    with pytest.raises(ValueError) as error:
        tfnorm.fold_normalization(model)
    assert str(error.value).endswith(f"Received: model={model!r}")


def test_a_model_with_a_call_of_its_own():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    class Doubled(keras.Model):
        def call(self, inputs):
            return 2 * super().call(inputs)

    inputs = keras.Input((3,))
    doubled = Doubled(inputs, CenterScale(name="norm")(L.Dense(3)(inputs)))
    for model in (Subclassed(name="subclassed"), doubled):
        with pytest.raises(ValueError, match="Received: model=<(Subclassed|Doubled) "):
            tfnorm.fold_normalization(model)
    outer = checked.trained(keras.Model(inputs, doubled(inputs)))
    assert checked.kinds(checked.folded(outer)) == {doubled.name: "Doubled"}


def test_a_model_with_a_train_step_of_its_own():
    class Trainer(keras.Model):
        def train_step(self, data):
            raise AssertionError

    inputs = keras.Input((3,))
    model = Trainer(inputs, CenterScale()(L.Dense(3, name="dense")(inputs)))
    assert list(checked.kinds(checked.folded(checked.trained(model)))) == ["dense"]


def test_a_compiled_model():
    def loss_without_a_name_in_keras(y, prediction):
        return tf.reduce_mean(prediction)

    model = checked.model((4,), L.Dense(3, name="dense"), checked.BatchNormalization())
    model.compile(optimizer="sgd", loss=loss_without_a_name_in_keras)
    assert list(checked.kinds(checked.folded(checked.trained(model)))) == ["dense"]


def test_without_samples():
    folded, difference = tfnorm.fold_normalization(checked.model((4,), L.Dense(3), CenterScale()))
    assert difference is None
    assert list(checked.kinds(folded).values()) == ["Dense"]


class Off(L.Layer):
    """Adds a number, and after it is copied another."""

    def __init__(self, number, **kwargs):
        super().__init__(**kwargs)
        self.number = number

    def call(self, inputs):
        return inputs + self.number

    def get_config(self):
        return super().get_config() | {"number": self.number + 1.0}


def test_difference():
    inputs = keras.Input((1,))
    # Outputs of about 10, off by 1, and of about 1000, off by 2.
    twice = Off(1.0)(Off(1000.0)(inputs))
    model = keras.Model(inputs, {"a": Off(10.0)(inputs), "b": twice})
    x = np.array([[0.0], [-0.5]])
    assert tfnorm.fold_normalization(model, x)[1] == pytest.approx(1 / 10)
    model = keras.Model(inputs, [twice, Off(0.0)(inputs)])
    assert tfnorm.fold_normalization(model, x)[1] == pytest.approx(1 / 0.5)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0.0), (np.nan, np.nan)])
def test_difference_of_nothing(weight, expected):
    model = checked.model((3,), L.Dense(2), L.ReLU())
    model.layers[1].kernel.assign(np.full((3, 2), weight))
    inputs = model.input
    model = keras.Model(inputs, [L.Dense(2)(inputs), model.output])
    difference = tfnorm.fold_normalization(model, np.ones((1, 3)))[1]
    np.testing.assert_equal(difference, expected)


def test_sequential():
    model = keras.Sequential(
        [keras.Input(SHAPE), L.Conv2D(4, 3, name="conv"), checked.BatchNormalization()]
    )
    assert list(checked.kinds(checked.folded(checked.trained(model)))) == ["conv"]


def test_sequential_built_by_its_first_call():
    model = keras.Sequential([L.Dense(4, name="dense"), checked.BatchWhitening()], name="named")
    model(np.ones((2, 3)))
    folded = checked.folded(checked.trained(model))
    assert (folded.name, list(checked.kinds(folded))) == ("named", ["dense"])


def test_models_within_models():
    stem = keras.Sequential(
        [keras.Input(SHAPE), L.Conv2D(4, 3), checked.BatchNormalization()], name="stem"
    )
    # Called twice: one model in the folded one too.
    body = checked.model((3, 5, 4), checked.BatchNormalization(), L.Dense(4), CenterScale())
    body = keras.Model(body.input, body.output, name="body")
    outer = checked.model(SHAPE, stem, body, L.ReLU(name="relu"), body)
    folded = checked.folded(checked.trained(outer))
    assert list(checked.kinds(folded)) == ["stem", "body", "relu"]
    assert list(checked.kinds(folded.get_layer("stem")).values()) == ["Conv2D"]
    assert list(checked.kinds(folded.get_layer("body")).values()) == ["Dense"]


def test_a_model_within_called_as_in_training_is_kept():
    inner = checked.model((3,), checked.BatchNormalization(name="norm"))
    inputs = keras.Input((3,))
    folded = checked.folded(checked.trained(keras.Model(inputs, inner(inputs, training=True))))
    assert checked.kinds(folded.get_layer(inner.name)) == {"norm": "BatchNormalization"}


def test_a_model_within_called_with_a_tensor_for_training_is_kept():
    inner = checked.model((3,), checked.BatchNormalization(name="norm"))
    inputs, training = keras.Input((3,)), keras.Input((), batch_size=1, dtype="bool")
    model = keras.Model([inputs, training], inner(inputs, training=training))
    folded, _ = tfnorm.fold_normalization(model)
    assert checked.kinds(folded.get_layer(inner.name)) == {"norm": "BatchNormalization"}


@unconnected_inputs
def test_models_within_with_several_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    inner = keras.Model({"a": a, "b": b}, [L.Dense(3)(CenterScale()(a)), b], name="inner")
    c, d = keras.Input((3,)), keras.Input((3,))
    model = checked.trained(keras.Model([c, d], inner({"a": d, "b": c})))
    folded = checked.folded(model).get_layer("inner")
    assert list(checked.kinds(folded).values()) == ["Dense"]


def test_names_and_inputs_stay():
    inputs = {
        "image": keras.Input(batch_shape=(None, None, 4, 3), name="image"),
        "counts": keras.Input((2,), name="counts", dtype="float16"),
    }
    x = L.Conv2D(4, 3, padding="same", name="conv")(inputs["image"])
    y = L.Dense(2, name="dense")(inputs["counts"])
    outputs = {"x": L.ReLU(name="relu")(CenterScale(name="a")(x)), "y": CenterScale(name="b")(y)}
    model = keras.Model(inputs, outputs, name="named")
    folded = tfnorm.fold_normalization(model)[0]
    assert folded.name == "named"
    assert {name: tensor.shape for name, tensor in folded.input.items()} == {
        "image": (None, None, 4, 3),
        "counts": (None, 2),
    }
    assert folded.input["counts"].dtype == "float16"
    assert {layer.name for layer in folded.layers} == {"image", "counts", "conv", "relu", "dense"}
    assert set(folded.output) == {"x", "y"}


def test_an_input_that_is_sparse():
    inputs = keras.Input((4,), sparse=True, name="sparse")
    model = checked.trained(
        keras.Model(inputs, CenterScale()(L.Dense(3)(inputs))), tf.sparse.eye(4)
    )
    assert checked.folded(model, tf.sparse.eye(4)).input.sparse


def test_layers_that_are_not_known_stay():
    model = trained_model((4,), L.Dense(3), Offset(name="offset"), checked.BatchNormalization())
    kinds = checked.kinds(checked.folded(model))
    assert list(kinds.values()) == ["Dense", "Offset", "Dense"]


def test_subclasses_of_known_layers_stay():
    class Twice(L.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    class Shifted(L.BatchNormalization):
        def call(self, inputs, training=None):
            return super().call(inputs, training=training) + 1

    model = trained_model((4,), Twice(3), CenterScale(), L.ReLU(), L.Dense(3), Shifted())
    kinds = checked.kinds(checked.folded(model))
    assert list(kinds.values()) == ["Twice", "Dense", "ReLU", "Dense", "Shifted"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: tfnorm.ConditionalCenterScale(3),
        lambda: tfnorm.ConditionalColoring(3),
        lambda: tfnorm.SpectralNormalization(tfnorm.ConditionalColoring(3)),
    ],
)
def test_conditional_recoveries_stay(make):
    x, labels = keras.Input(SHAPE), keras.Input((), dtype="int32")
    y = checked.BatchWhitening(center=False, scale=False)(L.Conv2D(4, 3, name="conv")(x))
    recovery = make()
    model = keras.Model([x, labels], CenterScale()(L.Dense(2, name="dense")(recovery(y, labels))))
    samples = [checked.samples(keras.Model(x, x)), np.array([0, 1, 2, 0, 1, 2])]
    folded = checked.folded(checked.trained(model, samples), samples)
    assert set(checked.kinds(folded)) == {"conv", recovery.name, "dense"}


def test_operations_and_functions_stay():
    scale = 3.0
    inputs = keras.Input((6, 4))
    x = checked.BatchNormalization()(L.Dense(4, name="dense")(inputs))
    x = keras.ops.relu(x[:, 1:] * 2.0) + L.Lambda(lambda x: tf.abs(x) / scale, name="f")(x)[:, 1:]
    x = keras.ops.concatenate([x, keras.ops.reshape(inputs, (-1, 6, 4))], axis=1)
    model = checked.trained(keras.Model(inputs, x))
    before = [operation._inbound_nodes[:] for operation in model.operations]
    assert set(checked.kinds(checked.folded(model))) == {"dense", "f"}
    assert [operation._inbound_nodes for operation in model.operations] == before


def test_adapted_layers_keep_what_they_know():
    words = L.StringLookup(name="words")
    words.adapt(["a", "b", "c", "c"])
    number = L.Normalization(name="number")
    number.adapt(np.array([[1.0], [5.0], [30.0]]))
    word, value = keras.Input((1,), dtype="string"), keras.Input((1,))
    x = L.Concatenate()([L.Flatten()(L.Embedding(4, 2)(words(word))), number(value)])
    model = keras.Model([word, value], checked.BatchNormalization()(L.Dense(3)(x)))
    samples = [tf.constant([["a"], ["c"], ["d"]]), tf.constant([[3.0], [9.0], [-5.0]])]
    folded = checked.folded(checked.trained(model, samples), samples)
    assert "BatchNormalization" not in checked.kinds(folded).values()


def test_functions_within_other_layers_keep_the_names_that_they_use():
    scale = 3.0
    within = L.TimeDistributed(L.Lambda(lambda x: tf.abs(x) / scale), name="within")
    model = trained_model((5, 4), L.Dense(4), checked.BatchNormalization(), within)
    assert list(checked.kinds(checked.folded(model)).values()) == ["Dense", "TimeDistributed"]


def test_masks_are_handed_on():
    inputs = keras.Input((5,), dtype="int32")
    x = L.Embedding(9, 4, mask_zero=True)(inputs)
    x = L.LSTM(3)(checked.BatchNormalization(name="norm")(x))
    model = keras.Model(inputs, x)
    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 0, 0], [0, 8, 7, 6, 5]])
    folded = checked.folded(checked.trained(model, x), x)
    assert checked.kinds(folded)["norm"] == "Dense"


def test_a_mask_of_one_call_of_several_is_handed_on():
    # Masked in the second call alone: more layers follow the other.
    words, values = keras.Input((5,), dtype="int32"), keras.Input((5, 4))
    norm = checked.BatchNormalization(name="norm")
    outputs = [
        L.ReLU()(L.ReLU()(norm(values))),
        L.LSTM(3)(norm(L.Embedding(9, 4, mask_zero=True)(words))),
    ]
    model = keras.Model([words, values], outputs)
    x = [np.array([[1, 2, 0, 0, 0], [3, 4, 5, 0, 0]]), np.ones((2, 5, 4), np.float32)]
    folded = checked.folded(checked.trained(model, x), x)
    assert checked.kinds(folded)["norm"] == "Dense"


def with_policy(policy):
    return lambda make, *arguments: make(*arguments, dtype=policy)


def test_float64():
    layer = with_policy("float64")
    model = trained_model(
        SHAPE, layer(checked.BatchNormalization), layer(L.Conv2D, 4, 3),
        layer(checked.BatchWhitening), layer(L.ReLU), layer(CenterScale), layer(L.ReLU),
        layer(checked.BatchWhitening),
    )  # fmt: skip
    folded = checked.folded(model, tolerance=1e-14)
    assert {weight.dtype for weight in folded.weights} == {"float64"}
    kinds = list(checked.kinds(folded).values())
    assert kinds == ["Conv2D", "ReLU", "DepthwiseConv2D", "ReLU", "Conv2D"]


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 1e-2), ("mixed_bfloat16", 1e-1), ("float16", 1e-2)]
)
def test_policies(policy, tolerance):
    layer = with_policy(policy)
    model = trained_model(
        SHAPE, layer(L.Conv2D, 4, 3), layer(checked.BatchWhitening), layer(L.ReLU),
        layer(CenterScale), layer(L.ReLU), layer(Coloring), layer(L.ReLU), layer(L.Dense, 3),
        L.BatchNormalization(name="last", dtype="float32"),
    )  # fmt: skip
    folded = checked.folded(model, tolerance=tolerance)
    kinds = list(checked.kinds(folded).values())
    # The last one does not go into a layer that computes in another dtype.
    assert kinds[::2] == ["Conv2D", "DepthwiseConv2D", "Conv2D", "Dense"]
    assert kinds[-1] == "DepthwiseConv2D"
    variables = "float16" if policy == "float16" else "float32"
    assert {weight.dtype for weight in folded.weights[:-2]} == {variables}


def test_folding_again_changes_nothing():
    model = trained_model(
        SHAPE, L.Conv2D(4, 3), checked.BatchWhitening(), L.ReLU(), CenterScale(), L.ReLU(),
        checked.BatchNormalization(axis=1), L.Conv2D(3, 1), checked.Unitization(),
    )  # fmt: skip
    folded = checked.folded(model)
    again = checked.folded(folded, tolerance=1e-6)
    assert checked.kinds(again) == checked.kinds(folded)


def vgg19(norm, widths=(4, 8, 12, 16, 16), input_size=32):
    """The sixteen convolutions of VGG-19, `norm()` and ReLU after each."""
    x = inputs = keras.Input((input_size, input_size, 3))
    for width, convolutions in zip(widths, (2, 2, 4, 4, 4), strict=True):
        for _ in range(convolutions):
            x = L.ReLU()(norm()(L.Conv2D(width, 3, padding="same")(x)))
        x = L.MaxPooling2D()(x)
    return keras.Model(inputs, L.Dense(10)(L.Flatten()(x)))


@pytest.fixture(scope="module")
def vgg():
    """VGG-19 with whitening by Newton's iteration, trained, images, and the folded network."""
    keras.utils.set_random_seed(0)
    model = checked.trained(vgg19(lambda: checked.BatchWhitening("itn", group_size=4)))
    x = checked.samples(model, seed=9)
    return model, x, checked.folded(model, x, tolerance=1e-4)


def test_vgg(vgg):
    model, _, folded = vgg
    assert list(checked.kinds(model).values()).count("BatchWhitening") == 16
    kinds = list(checked.kinds(folded).values())
    assert set(kinds) == {"Conv2D", "ReLU", "MaxPooling2D", "Flatten", "Dense"}
    assert kinds.count("Conv2D") == 16


def every_kind():
    """A model of which the folded one has every kind of layer that a map becomes."""
    inputs = keras.Input((6, 8, 3), name="image")
    x = checked.Unitization()(L.Conv2D(4, 3, name="conv")(inputs))
    x = L.ReLU()(checked.BatchNormalization(name="diagonal")(x))
    x = L.ReLU()(checked.BatchWhitening(name="full")(x))
    x = L.ReLU()(checked.BatchWhitening(axis=1, name="first")(x))
    x = L.ReLU()(checked.BatchNormalization(axis=1, name="first_diagonal")(x))
    x = checked.BatchWhitening(name="sequence")(L.Reshape((6, 16))(x))
    x = checked.BatchWhitening(name="vector")(L.ReLU()(L.GlobalMaxPooling1D()(x)))
    return checked.trained(keras.Model(inputs, L.ReLU()(x)))


def test_every_kind():
    kinds = checked.kinds(checked.folded(every_kind()))
    assert {name: kinds[name] for name in kinds if name in (
        "diagonal", "full", "first", "first_diagonal", "sequence", "vector"
    )} == {
        "diagonal": "DepthwiseConv2D", "full": "Conv2D", "first": "Coloring",
        "first_diagonal": "CenterScale", "sequence": "Conv1D", "vector": "Dense",
    }  # fmt: skip


def saved_model(folded, x, folder):
    folded.export(folder / "exported", verbose=False)
    loaded = tf.saved_model.load(folder / "exported")
    return loaded.serve(tf.constant(x)).numpy()


def keras_file(folded, x, folder):
    folded.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")(x).numpy()


def lite(folded, x, folder):
    return interpreted(tf.lite.TFLiteConverter.from_keras_model(folded).convert(), x)


def lite_of_saved_model(folded, x, folder):
    folded.export(folder / "exported", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported"))
    return interpreted(converter.convert(), x)


def interpreted(converted, x):
    interpreter = tf.lite.Interpreter(model_content=converted)
    (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(wanted["index"])


@pytest.mark.parametrize("through", [saved_model, keras_file, lite, lite_of_saved_model])
@pytest.mark.parametrize("network", ["vgg", "every_kind"])
def test_exported(network, through, request, tmp_path):
    if network == "vgg":
        model, x, folded = request.getfixturevalue("vgg")
    else:
        model = every_kind()
        x, folded = checked.samples(model, seed=9), tfnorm.fold_normalization(model)[0]
    expected = model(x, training=False).numpy()
    difference = abs(through(folded, x, tmp_path) - expected).max() / abs(expected).max()
    assert difference < 1e-4
