"""What the graph around a normalization allows."""

import keras
import pytest

from tests.folding import checked
from tfnorm import CenterScale, Coloring, SpectralNormalization, keras_internals

L = keras.layers
SHAPE = (5, 7, 6)


def folded_kinds(*arguments):
    return checked.kinds(checked.folded(checked.trained(checked.model(*arguments))))


def folded_graph(inputs, outputs):
    return checked.kinds(checked.folded(checked.trained(keras.Model(inputs, outputs))))


def without_shift(**options):
    return CenterScale(center=False, **options)


@pytest.mark.parametrize("activation", ["relu", "tanh", keras.layers.LeakyReLU()])
def test_not_before_an_activation(activation):
    kinds = folded_kinds(SHAPE, L.Conv2D(4, 3, activation=activation), CenterScale(name="norm"))
    assert kinds["norm"] == "DepthwiseConv2D"


@pytest.mark.parametrize("activation", [None, "linear", keras.activations.linear])
def test_before_no_activation(activation):
    conv = L.Conv2D(4, 3, activation=activation, name="conv")
    assert list(folded_kinds(SHAPE, conv, CenterScale())) == ["conv"]


def test_into_the_layer_before_rather_than_the_one_after():
    model = checked.model(
        SHAPE, L.Conv2D(4, 3, name="a"), checked.BatchNormalization(), L.Conv2D(3, 1, name="b")
    )
    checked.trained(model)
    folded = checked.folded(model)
    assert list(checked.kinds(folded)) == ["a", "b"]
    (old, _), (new, _) = model.get_layer("b").get_weights(), folded.get_layer("b").get_weights()
    assert (old == new).all()


@pytest.mark.parametrize(
    "between",
    [
        L.ActivityRegularization(l2=0.1),
        L.AlphaDropout(0.5),
        L.Dropout(0.5),
        L.GaussianDropout(0.5),
        L.GaussianNoise(0.5),
        L.Identity(),
        L.SpatialDropout2D(0.5),
        L.Activation("linear"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_through_what_does_nothing_in_inference(between):
    copy = type(between).from_config(between.get_config() | {"name": "copy"})
    model = checked.model(
        SHAPE, L.Conv2D(4, 3, name="a"), between, CenterScale(), L.ReLU(name="relu"),
        without_shift(), copy, L.Conv2D(3, 3, padding="same", name="b"),
    )  # fmt: skip
    kinds = checked.kinds(checked.folded(checked.trained(model)))
    assert list(kinds) == ["a", between.name, "relu", "copy", "b"]


@pytest.mark.parametrize(
    "between",
    [L.ReLU(), L.Activation("relu"), L.MaxPooling2D(), L.ZeroPadding2D(), L.Permute((2, 1, 3))],
    ids=lambda layer: type(layer).__name__,
)
def test_not_through_anything_else(between):
    layers = L.Conv2D(4, 3), between, CenterScale(name="norm"), L.ReLU()
    assert folded_kinds(SHAPE, *layers)["norm"] == "DepthwiseConv2D"


def test_not_through_a_cast():
    between = L.Identity(dtype="float16")
    model = checked.trained(checked.model(SHAPE, L.Conv2D(4, 3), between, CenterScale(name="norm")))
    folded = checked.folded(model, tolerance=2e-3)
    assert checked.kinds(folded)["norm"] == "DepthwiseConv2D"


def test_chains_are_one_map():
    # Three groups of two channels, then two of three.
    chain = (
        checked.BatchWhitening(group_size=2), CenterScale(), Coloring(group_size=3),
        checked.BatchNormalization(),
    )  # fmt: skip
    assert list(folded_kinds(SHAPE, L.Conv2D(6, 3, name="conv"), *chain)) == ["conv"]


def test_chains_without_a_neighbour_are_one_convolution_each():
    kinds = folded_kinds(
        SHAPE, L.MaxPooling2D(name="pool"), checked.BatchWhitening(), Coloring(),
        L.Dropout(0.5, name="drop"), CenterScale(name="first"), L.ReLU(name="relu"),
        checked.BatchNormalization(), CenterScale(name="second"),
    )  # fmt: skip
    assert kinds == {
        "pool": "MaxPooling2D", "drop": "Dropout", "first": "Conv2D", "relu": "ReLU",
        "second": "DepthwiseConv2D",
    }  # fmt: skip


def test_a_chain_without_a_layer_before_goes_into_the_one_after():
    kinds = folded_kinds((6,), CenterScale(), Coloring(), CenterScale(), L.Dense(4, name="dense"))
    assert kinds == {"dense": "Dense"}


def test_a_chain_goes_both_ways():
    # The depthwise layer takes the diagonal map, and what it cannot take goes on.
    kinds = folded_kinds(
        SHAPE, L.DepthwiseConv2D(3, name="a"), CenterScale(), Coloring(use_bias=False),
        L.Conv2D(4, 3, padding="same", name="b"),
    )  # fmt: skip
    assert list(kinds) == ["a", "b"]


def test_maps_do_not_pass_one_that_stays():
    kinds = folded_kinds(
        SHAPE, L.DepthwiseConv2D(3, name="a"), Coloring(), CenterScale(name="norm"), L.ReLU()
    )
    assert [*kinds][:2] == ["a", "norm"]
    kinds = folded_kinds(
        SHAPE, L.ReLU(), without_shift(), Coloring(name="norm"),
        L.Conv2D(4, 3, padding="same", name="b"),
    )  # fmt: skip
    assert [*kinds][1:] == ["norm", "b"]


def test_a_chain_of_other_axes_is_several_maps():
    kinds = folded_kinds((6, 6, 6), CenterScale(axis=1, name="a"), CenterScale(name="b"))
    assert kinds == {"a": "CenterScale", "b": "CenterScale"}


def test_axes_from_the_front_and_from_the_back():
    kinds = folded_kinds(SHAPE, CenterScale(axis=3), CenterScale(axis=-1, name="b"))
    assert list(kinds) == ["b"]
    assert list(folded_kinds(SHAPE, L.Conv2D(4, 3, name="a"), CenterScale(axis=3))) == ["a"]


def test_output_of_the_producer_used_elsewhere():
    inputs = keras.Input(SHAPE)
    x = L.Conv2D(4, 3, name="conv")(inputs)
    y = CenterScale(name="norm")(x)
    assert "norm" in folded_graph(inputs, L.Add()([x, y]))
    assert "norm" in folded_graph(inputs, [x, y])
    assert "norm" in folded_graph(inputs, [y, x])
    assert "norm" in folded_graph(inputs, x + y)


def test_output_of_the_norm_used_elsewhere():
    inputs = keras.Input(SHAPE)
    y = CenterScale(name="norm")(inputs)
    z = L.Conv2D(6, 1, name="conv")(y)
    assert "norm" in folded_graph(inputs, L.Add()([y, z]))
    assert "norm" in folded_graph(inputs, [y, z])
    assert list(folded_graph(inputs, z)) == ["conv"]


def test_the_same_output_twice():
    inputs = keras.Input(SHAPE)
    y = CenterScale(name="norm")(inputs)
    assert "norm" in folded_graph(inputs, L.Concatenate()([y, y]))
    y = CenterScale()(L.Conv2D(4, 3, name="conv")(inputs))
    assert list(folded_graph(inputs, [y, y])) == ["conv"]


def test_an_input_that_is_an_output():
    inputs = keras.Input(SHAPE)
    y = L.Conv2D(4, 3, name="conv")(CenterScale()(inputs))
    assert list(folded_graph(inputs, [inputs, y])) == ["conv"]


def test_a_shared_convolution():
    inputs = keras.Input((5, 7, 4))
    conv = L.Conv2D(4, 3, padding="same", name="conv")
    outputs = CenterScale(name="b")(conv(CenterScale(name="a")(conv(inputs))))
    assert list(folded_graph(inputs, outputs)) == ["conv", "a", "b"]


def test_a_shared_norm_is_a_shared_convolution():
    inputs = keras.Input((5, 7, 6))
    norm = checked.BatchWhitening(name="norm")
    a = norm(L.Conv2D(6, 3, name="a")(inputs))
    b = norm(L.Conv2D(6, 1, name="b")(inputs))
    model = checked.trained(keras.Model(inputs, [a, b]))
    folded = checked.folded(model)
    assert checked.kinds(folded) == {"a": "Conv2D", "b": "Conv2D", "norm": "Conv2D"}
    a, b = (keras_internals.maker_of(output) for output in folded.outputs)
    assert a is b


def test_a_norm_shared_along_one_path():
    inputs = keras.Input(SHAPE)
    norm = CenterScale(name="norm")
    outputs = norm(L.Conv2D(6, 3, name="conv")(norm(inputs)))
    assert list(folded_graph(inputs, outputs)) == ["norm", "conv"]


def test_a_layer_called_in_another_model_too():
    inputs = keras.Input(SHAPE)
    conv = L.Conv2D(4, 3, name="conv")
    keras.Model(inputs, conv(inputs))
    assert list(folded_graph(inputs, CenterScale()(conv(inputs)))) == ["conv"]


def test_a_part_of_a_model():
    inputs = keras.Input(SHAPE)
    x = L.ReLU()(inputs)
    y = checked.BatchNormalization()(L.Conv2D(4, 3, name="conv")(x))
    keras.Model(inputs, L.ReLU()(y))
    assert list(folded_graph(x, y)) == ["conv"]


def test_called_as_in_training_is_kept():
    inputs = keras.Input(SHAPE)
    y = L.Conv2D(4, 3, name="conv")(inputs)
    y = checked.BatchNormalization(name="norm")(y, training=True)
    y = checked.BatchWhitening(name="white")(y, training=True)
    model = checked.trained(keras.Model(inputs, y))
    folded = checked.folded(model)
    kinds = checked.kinds(folded)
    assert kinds == {"conv": "Conv2D", "norm": "BatchNormalization", "white": "BatchWhitening"}
    # Without `training` the layers follow their own argument, and use the batch's statistics.
    x = checked.samples(model, seed=4)
    in_training, in_inference = folded(x).numpy(), folded(x, training=False).numpy()
    assert abs(in_training - model(x).numpy()).max() < 1e-5
    assert abs(in_training - in_inference).max() > 0.1


def test_one_call_of_several_as_in_training():
    inputs = keras.Input(SHAPE)
    norm = checked.BatchNormalization(name="norm")
    kinds = folded_graph(inputs, norm(norm(inputs), training=True))
    assert kinds == {"norm": "BatchNormalization"}


def test_a_dropout_called_as_in_training_is_in_the_way():
    inputs = keras.Input(SHAPE)
    y = L.Dropout(0.5, name="drop")(L.Conv2D(4, 3, name="conv")(inputs), training=True)
    assert list(folded_graph(inputs, CenterScale(name="norm")(y))) == ["conv", "drop", "norm"]


def test_called_as_in_inference_and_by_keyword():
    inputs = keras.Input(SHAPE)
    y = L.Conv2D(4, 3, name="conv")(inputs=inputs)
    y = checked.BatchNormalization()(inputs=y, training=False, mask=None)
    assert list(folded_graph(inputs, y)) == ["conv"]
    y = checked.BatchNormalization(name="norm")(inputs=inputs, training=False)
    assert folded_graph(inputs, y) == {"norm": "CenterScale"}


def test_residuals():
    def block(x, filters, strides=1):
        y = L.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        y = L.ReLU()(checked.BatchWhitening(group_size=4)(y))
        y = checked.BatchNormalization()(L.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        if strides > 1:
            x = checked.BatchNormalization()(L.Conv2D(filters, 1, strides=strides)(x))
        return L.ReLU()(L.Add()([x, y]))

    inputs = keras.Input((8, 8, 3))
    x = L.ReLU()(checked.BatchNormalization()(L.Conv2D(8, 3, padding="same")(inputs)))
    x = block(block(x, 8), 12, strides=2)
    x = L.Dense(5)(checked.BatchNormalization()(L.GlobalAveragePooling2D()(x)))
    kinds = folded_graph(inputs, x)
    expected = {"Conv2D", "ReLU", "Add", "GlobalAveragePooling2D", "Dense"}
    assert set(kinds.values()) == expected
    assert list(kinds.values()).count("Conv2D") == 6


def test_several_inputs_and_outputs():
    inputs = {"image": keras.Input(SHAPE, name="image"), "vector": keras.Input((3,), name="vector")}
    x = checked.BatchNormalization()(L.Conv2D(4, 3, name="conv")(inputs["image"]))
    y = checked.BatchWhitening()(L.Dense(4, name="dense")(inputs["vector"]))
    scaled = L.Multiply(name="scaled")([x, L.Reshape((1, 1, 4), name="reshape")(y)])
    kinds = folded_graph(inputs, {"scaled": scaled, "y": (y, x)})
    assert set(kinds) == {"conv", "dense", "reshape", "scaled"}


def unitization(**options):
    return checked.Unitization(name="unit", **options)


def test_unitization_leaves_its_statistics_to_the_layer_before():
    model = checked.model(
        SHAPE, L.Conv2D(4, 3, name="conv"), checked.BatchWhitening(), unitization()
    )
    folded = checked.folded(checked.trained(model))
    assert checked.kinds(folded) == {"conv": "Conv2D", "unit": "Unitization"}
    unit = folded.get_layer("unit")
    assert not unit.moving_mean.numpy().any()
    assert unit.moving_variance.numpy() == pytest.approx([1 - unit.epsilon] * 4)
    original = model.get_layer("unit")
    assert abs(original.moving_mean.numpy()).min() > 0.01


@pytest.mark.parametrize(
    "layers",
    [
        [L.ReLU(), unitization()],
        [L.ReLU(), CenterScale(), unitization()],
        [unitization(), L.Conv2D(4, 3)],
        [L.DepthwiseConv2D(3), Coloring(), unitization()],
    ],
)
def test_unitization_that_keeps_its_statistics(layers):
    copies = [type(layer).from_config(layer.get_config()) for layer in layers]
    model = checked.trained(checked.model(SHAPE, *copies))
    folded = checked.folded(model)
    old, new = model.get_layer("unit"), folded.get_layer("unit")
    assert all((a == b).all() for a, b in zip(old.get_weights(), new.get_weights(), strict=True))


def test_nothing_passes_unitization():
    kinds = folded_kinds(
        SHAPE, L.Conv2D(4, 3, name="conv"), unitization(), CenterScale(name="a"),
        L.Conv2D(4, 3, padding="same"),
    )  # fmt: skip
    assert [*kinds][:3] == ["conv", "unit", "a"]


def test_a_map_after_unitization_that_keeps_its_statistics():
    kinds = folded_kinds(SHAPE, L.ReLU(name="relu"), unitization(), CenterScale(name="a"))
    assert kinds == {"relu": "ReLU", "unit": "Unitization", "a": "CenterScale"}


def test_unitization_of_raw_input():
    layers = L.Conv2D(4, 3, name="conv"), unitization(normalize=False)
    assert list(folded_kinds(SHAPE, *layers)) == ["conv", "unit"]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (L.Conv2D(4, 3), "Conv2D"),
        (L.Conv2DTranspose(4, 3), "Conv2DTranspose"),
        (L.Dense(4), "Dense"),
    ],
)
def test_spectral_normalization_becomes_its_layer(layer, kind):
    layers = SpectralNormalization(layer, name="spectral"), checked.BatchNormalization()
    assert folded_kinds(SHAPE, *layers) == {"spectral": kind}


def test_spectral_normalization_of_a_recovery():
    kinds = folded_kinds(
        SHAPE, L.Conv2D(4, 3, name="conv"), checked.BatchWhitening(center=False, scale=False),
        SpectralNormalization(Coloring()),
    )  # fmt: skip
    assert list(kinds) == ["conv"]
    kinds = folded_kinds(SHAPE, L.ReLU(), SpectralNormalization(Coloring(), name="spectral"))
    assert kinds["spectral"] == "Dense"


def test_shared_spectral_normalization():
    inputs = keras.Input((5, 7, 6))
    layer = SpectralNormalization(L.Conv2D(6, 3, padding="same"), name="spectral")
    kinds = folded_graph(inputs, layer(layer(inputs)))
    assert kinds == {"spectral": "Conv2D"}


def test_spectral_normalization_of_a_layer_that_is_not_linear():
    inputs = keras.Input((5,), dtype="int32")
    layer = SpectralNormalization(L.Embedding(9, 4), name="spectral")
    model = keras.Model(inputs, L.Flatten()(layer(inputs)))
    x = keras.ops.reshape(keras.ops.arange(15, dtype="int32") % 9, (3, 5))
    folded = checked.folded(checked.trained(model, x), x)
    assert checked.kinds(folded)["spectral"] == "Embedding"


def test_spectral_normalization_called_as_in_training_is_kept():
    inputs = keras.Input(SHAPE)
    layer = SpectralNormalization(L.Conv2D(6, 3), name="spectral")
    kinds = folded_graph(inputs, CenterScale(name="norm")(layer(inputs, training=True)))
    assert kinds == {"spectral": "SpectralNormalization", "norm": "DepthwiseConv2D"}


def test_a_kernel_of_zeros_has_no_sigma():
    model = checked.model((4,), SpectralNormalization(L.Dense(3, kernel_initializer="zeros")))
    assert not checked.folded(model).get_weights()[0].any()


def test_integers_are_cast_by_the_norm():
    inputs = keras.Input(SHAPE, dtype="uint8")
    model = keras.Model(inputs, L.Conv2D(4, 3)(checked.BatchNormalization(name="norm")(inputs)))
    x = keras.ops.cast(abs(checked.samples(model)) * 50, "uint8")
    assert "norm" in checked.kinds(checked.folded(checked.trained(model, x), x))


def test_more_axes_than_a_convolution_has():
    kinds = folded_kinds((2, 3, 2, 3, 4), L.ReLU(), checked.BatchNormalization(name="norm"))
    assert kinds["norm"] == "BatchNormalization"
