"""Models with other layers in the place of BatchNormalization: what is kept and what is not."""

import pathlib
import re

import keras
import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
from keras.layers import BatchNormalization

import tfnorm
from tests.keras_versions import renorm, unconnected_inputs
from tests.trained_statistics import randomized
from tfnorm import keras_internals

EPSILON = 0.01


def inputs_of(model, batch=3):
    """Normal inputs for a model with one input."""
    shape = (batch, *model.input_shape[1:])
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def small_model(channels=5):
    x = keras.Input((6, 6, 2))
    y = keras.layers.Conv2D(channels, 3, name="conv")(x)
    y = BatchNormalization(epsilon=EPSILON, name="norm")(y)
    return randomized(keras.Model(x, keras.layers.Dense(3, name="dense")(y)))


def same(name, config):
    return BatchNormalization.from_config(config)


def whitening(method="cd", **options):
    return lambda name, config: tfnorm.BatchWhitening(
        method, **{"group_size": 2, "epsilon": config["epsilon"], "name": name} | options
    )


def largest_difference(model, other, x):
    y = model(x).numpy()
    return np.abs(other(x).numpy() - y).max() / np.abs(y).max()


def layers_of(model, kind):
    """The names of the layers of a class, nested models' too."""
    layers = keras_internals.with_inner_layers(model)
    return [layer.name for layer in layers if isinstance(layer, kind)]


def snapshot(model):
    return model.get_config(), [weight.numpy() for weight in model.weights]


def assert_unchanged(model, before):
    config, weights = before
    assert model.get_config() == config
    for weight, value in zip(model.weights, weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


# Whole networks


APPLICATIONS = {
    "resnet50": lambda: keras.applications.ResNet50(
        weights=None, input_shape=(32, 32, 3), classes=10
    ),
    "mobilenet_v2": lambda: keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), classes=10, alpha=0.35
    ),
}


@pytest.fixture(scope="module")
def application():
    """Makes a network of Keras by its name, once."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = randomized(APPLICATIONS[name]())
        return made[name]

    return make


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_whitened_network_infers_as_before_and_the_old_one_is_not_touched(name, application):
    model = application(name)
    before = snapshot(model)
    whitened = tfnorm.replace_batch_normalization(model, whitening("cd", group_size=16))
    assert largest_difference(model, whitened, inputs_of(model)) < 1e-4
    assert layers_of(whitened, BatchNormalization) == []
    replaced = layers_of(whitened, tfnorm.BatchWhitening)
    assert replaced == layers_of(model, BatchNormalization) and len(replaced) > 50
    assert_unchanged(model, before)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_same_layer_gives_the_same_model_bit_for_bit(name, application):
    model = application(name)
    copy = tfnorm.replace_batch_normalization(model, same)
    x = inputs_of(model)
    np.testing.assert_array_equal(copy(x), model(x))
    assert_unchanged(copy, snapshot(model))


def test_a_selection_is_saved_loaded_and_trained(tmp_path, application):
    model = application("resnet50")
    whitened = tfnorm.replace_batch_normalization(
        model,
        whitening("itn", group_size=16),
        select=lambda name, config: re.match(r"conv[45]_block1_2_bn", name) and config["scale"],
    )
    chosen = ["conv4_block1_2_bn", "conv5_block1_2_bn"]
    assert layers_of(whitened, tfnorm.BatchWhitening) == chosen
    assert len(layers_of(whitened, BatchNormalization)) == 51

    whitened.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = inputs_of(model, batch=4)
    np.testing.assert_array_equal(loaded(x), whitened(x))

    layer = whitened.get_layer(chosen[0])
    weights = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_covariance]
    before = [weight.numpy() for weight in weights]
    whitened.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)  # one step
    whitened.fit(x, np.arange(4), epochs=1, verbose=0)
    for weight, value in zip(weights, before, strict=True):
        assert np.isfinite(weight.numpy()).all() and np.abs(weight.numpy() - value).max() > 0


# A network that is trained

PAGE = (pathlib.Path(__file__).parents[1] / "docs/replace_and_fold.md").read_text("utf-8")
(SHOWN,) = re.findall(r"^ +(lambda name, config: tfnorm\.BatchWhitening\(.*\)),$", PAGE, re.M)


def configured(method, **options):
    return lambda name, config: tfnorm.BatchWhitening(method, **options, **config)


@pytest.fixture(scope="module")
def trained():
    """A small network that knows digits, with test images and their labels.

    After its first convolution the channels' variances are from 0.003 to 0.02.
    """
    keras.utils.set_random_seed(0)
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype(np.float32) / 16
    layers = []
    for width in (32, 32, 64):
        layers += [
            keras.layers.Conv2D(width, 3, padding="same", use_bias=False),
            BatchNormalization(momentum=0.9, epsilon=1.001e-5),  # as in Keras' ResNets
            keras.layers.ReLU(),
        ]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, *head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss)
    model.fit(images[:1400], labels[:1400], batch_size=64, epochs=8, verbose=0)
    return model, images[1400:], labels[1400:]


def accuracy(model, images, labels):
    return np.mean(np.argmax(model(images, training=False), axis=-1) == labels)


@pytest.mark.parametrize(
    "make_layer",
    [
        pytest.param(eval(SHOWN), id="docs"),
        configured("zca", group_size=16),
        configured("cd", group_size=16),
        configured("cd"),
        *(
            configured(method, group_size=16, estimate="matrix")
            for method in tfnorm.functional.WHITENERS
        ),
        lambda name, config: tfnorm.Unitization(**config),
    ],
)
def test_a_trained_network_keeps_its_function(make_layer, trained):
    model, images, labels = trained
    assert accuracy(model, images, labels) > 0.9
    converted, difference = tfnorm.replace_batch_normalization(model, make_layer, samples=images)
    assert layers_of(converted, BatchNormalization) == []
    assert difference < 1e-5
    assert accuracy(converted, images, labels) == accuracy(model, images, labels)


@pytest.mark.parametrize(
    "make_layer",
    [
        configured("itn", group_size=16),
        configured("pca", group_size=16),
        lambda name, config: tfnorm.BatchWhitening("zca", group_size=16, name=name),  # its epsilon
    ],
)
def test_a_difference_that_is_no_rounding_is_told(make_layer, trained):
    model, images, _ = trained
    converted, difference = tfnorm.replace_batch_normalization(model, make_layer, samples=images)
    assert difference == pytest.approx(largest_difference(model, converted, images))
    assert difference > 0.05


@pytest.mark.parametrize("method", ["zca", "cd"])
def test_variances_that_are_far_apart(method):
    x = keras.Input((16,))
    model = keras.Model(x, BatchNormalization(epsilon=1e-7, name="norm")(x))

    def difference(ratio, **options):
        variances = np.geomspace(1000.0, 1000.0 / ratio, 16)
        model.get_layer("norm").moving_variance.assign(variances - 1e-7)
        x = inputs_of(model) * np.sqrt(variances)
        make_layer = configured(method, **options)
        return tfnorm.replace_batch_normalization(model, make_layer, samples=x)[1]

    assert difference(ratio=9e5) < 1e-5
    assert difference(ratio=1e9) > 0.01
    assert difference(ratio=1e9, estimate="matrix") < 1e-5


# What the new layer takes over


@renorm
@pytest.mark.parametrize("cls", [tfnorm.BatchWhitening, tfnorm.Unitization])
def test_the_configuration_of_batch_normalization_makes_a_layer(cls):
    old = BatchNormalization(
        axis=1, momentum=0.5, epsilon=0.01, center=False, gamma_initializer="zeros",
        gamma_regularizer=keras.regularizers.L2(0.1), beta_constraint="non_neg", name="norm",
        moving_variance_initializer="zeros", dtype="mixed_bfloat16", trainable=False,
    )  # fmt: skip
    given = old.get_config()
    for new in (cls(**given), cls.from_config(given)):
        config = new.get_config()
        assert {name: config[name] for name in given if not name.startswith("renorm")} == {
            name: value for name, value in given.items() if not name.startswith("renorm")
        }
        assert not any(name.startswith("renorm") for name in config)
    given = BatchNormalization(renorm=True, renorm_clipping={"rmax": 2.0}).get_config()
    with pytest.raises(ValueError, match="Received: renorm=True"):
        cls(**given)
    with pytest.raises(TypeError, match="Received: renorm=True"):
        cls.from_config(given)


def in_turn(*layers):
    """Makes a `make_layer` of a Sequential of these, made anew each time."""
    return lambda name, config: keras.Sequential([make(config) for make in layers], name=name)


def bare(config):
    return tfnorm.BatchWhitening("cd", **config | {"center": False, "scale": False, "name": "bare"})


@pytest.mark.parametrize(
    "make_layer",
    [
        in_turn(bare, lambda config: tfnorm.Coloring()),
        in_turn(bare, lambda config: tfnorm.Coloring(group_size=2)),
        in_turn(bare, lambda config: tfnorm.CenterScale(), lambda config: tfnorm.Coloring()),
        in_turn(bare, lambda config: tfnorm.Coloring(), lambda config: tfnorm.CenterScale()),
        in_turn(
            lambda config: tfnorm.BatchWhitening("cd", **config),
            lambda config: tfnorm.Coloring(use_bias=False),
        ),
        in_turn(
            lambda config: tfnorm.BatchWhitening("cd", **config), lambda c: tfnorm.CenterScale()
        ),
        in_turn(lambda config: in_turn(bare)("inner", config), lambda config: tfnorm.Coloring()),
        in_turn(lambda config: tfnorm.CenterScale(), bare, lambda config: tfnorm.CenterScale()),
        in_turn(
            lambda config: BatchNormalization(**config | {"scale": False, "center": False}),
            lambda config: tfnorm.CenterScale(center=False),
            lambda config: tfnorm.CenterScale(scale=False),
        ),
    ],
)
def test_scale_and_shift_go_to_one_layer_each(make_layer):
    model = small_model()
    converted, difference = tfnorm.replace_batch_normalization(
        model, make_layer, samples=inputs_of(model)
    )
    assert difference < 2e-6


def test_a_scale_that_is_a_number():
    x = keras.Input((5,))
    model = randomized(keras.Model(x, BatchNormalization(scale=False)(x)))
    make_layer = in_turn(
        lambda config: tfnorm.BatchWhitening("cd", **config),
        lambda config: keras.layers.Rescaling(1.0),
    )
    x = inputs_of(model)
    assert tfnorm.replace_batch_normalization(model, make_layer, samples=x)[1] < 2e-6


def test_a_recovery_within_a_wrapper_starts_anew_and_that_is_told():
    make_layer = in_turn(bare, lambda config: tfnorm.SpectralNormalization(tfnorm.Coloring()))
    with pytest.warns(UserWarning, match="no place for gamma, beta of 'norm'"):
        tfnorm.replace_batch_normalization(small_model(), make_layer)


def test_a_scale_that_comes_too_late_for_the_shift():
    make_layer = in_turn(
        lambda config: tfnorm.BatchWhitening("cd", **config | {"scale": False}),
        lambda config: tfnorm.CenterScale(center=False),
    )
    with pytest.warns(UserWarning, match="no place for beta of 'norm'"):
        tfnorm.replace_batch_normalization(small_model(), make_layer)


@pytest.mark.filterwarnings("error")
def test_no_warning_where_all_is_carried_over():
    model = small_model()
    for make_layer in (same, whitening(), lambda name, config: tfnorm.Unitization(**config)):
        tfnorm.replace_batch_normalization(model, make_layer)


def test_what_is_not_carried_over_is_told():
    model = keras.Sequential([small_model(), BatchNormalization(scale=False, name="last")])
    model.build((None, 6, 6, 2))
    raw = {"normalize": False, "scale": False}
    makers = {
        "norm": lambda config: keras.layers.Identity(name="norm"),
        "last": lambda config: tfnorm.Unitization(**config | raw),
    }
    with pytest.warns(UserWarning) as warnings:
        tfnorm.replace_batch_normalization(model, lambda name, config: makers[name](config))
    (message,) = [str(warning.message) for warning in warnings]
    assert message.endswith(
        "no place for gamma, beta, moving_mean, moving_variance of 'norm'; "
        "moving_mean, moving_variance of 'last'"
    )
    assert warnings[0].filename == __file__


@pytest.mark.parametrize(
    "make_layer",
    [
        whitening("cd"),
        whitening("zca"),
        whitening("zca", group_size=None),
        *(whitening(method, estimate="matrix") for method in tfnorm.functional.WHITENERS),
        lambda name, config: tfnorm.Unitization(epsilon=config["epsilon"], name="other"),
        lambda name, config: keras.Sequential(
            [
                tfnorm.BatchWhitening("cd", epsilon=config["epsilon"], center=False, scale=False),
                tfnorm.CenterScale(),
            ],
            name=name,
        ),
    ],
)
def test_inference_is_batch_normalization(make_layer):
    model = small_model()
    converted = tfnorm.replace_batch_normalization(model, make_layer)
    assert layers_of(converted, BatchNormalization) == []
    assert largest_difference(model, converted, inputs_of(model)) < 2e-6


def test_newtons_iteration_comes_near():
    model = small_model()
    few, many = (
        tfnorm.replace_batch_normalization(model, whitening("itn", iterations=iterations))
        for iterations in (2, 20)
    )
    assert largest_difference(model, many, inputs_of(model)) < 1e-5
    assert largest_difference(model, few, inputs_of(model)) > 1e-3


def test_pca_orders_a_group_by_variance():
    x = keras.Input((5,))
    y = BatchNormalization(center=False, scale=False, name="norm")(x)
    model = randomized(keras.Model(x, y))
    order = np.argsort(model.get_layer("norm").moving_variance.numpy())
    whitened = tfnorm.replace_batch_normalization(model, configured("pca"))
    x = inputs_of(model)
    expected = np.abs(model(x))[:, order]
    np.testing.assert_allclose(np.abs(whitened(x)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("estimate", ["covariance", "matrix"])
def test_statistics_are_on_the_diagonal(estimate):
    old = small_model().get_layer("norm")
    make_layer = whitening("cd", estimate=estimate, epsilon=0.5)
    new = tfnorm.replace_batch_normalization(small_model(), make_layer).get_layer("norm")
    for name in ("gamma", "beta", "moving_mean"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    variance = old.moving_variance.numpy()
    diagonal = variance if estimate == "covariance" else (variance + 0.5) ** -0.5
    matrices = getattr(new, f"moving_{estimate}").numpy()
    last = getattr(new, f"moving_{estimate}_last").numpy()
    expected = [np.diag(diagonal[:2]), np.diag(diagonal[2:4])]
    np.testing.assert_allclose(matrices, expected, rtol=1e-6)
    np.testing.assert_allclose(last, [[diagonal[4:]]], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*have no place for")
def test_a_layer_takes_over_what_it_has():
    model = small_model()

    def weights_of(make_layer):
        converted = tfnorm.replace_batch_normalization(model, make_layer)
        return converted.get_layer("norm").get_weights()

    gamma, beta = weights_of(lambda name, config: keras.layers.LayerNormalization(name=name))
    np.testing.assert_array_equal(gamma, model.get_layer("norm").gamma.numpy())
    np.testing.assert_array_equal(beta, model.get_layer("norm").beta.numpy())
    gamma, _ = weights_of(
        lambda name, config: keras.layers.LayerNormalization((1, 2, 3), name=name)
    )
    np.testing.assert_array_equal(gamma, np.ones((4, 4, 5)))
    assert weights_of(lambda name, config: keras.layers.Identity(name=name)) == []


# What is kept of the model


def test_shared_layers_and_nested_models():
    shared = BatchNormalization(name="shared")
    x = keras.Input((4,))
    y = shared(keras.layers.Dense(4)(shared(x)))
    inner = keras.Model(x, y, name="inner")
    stack = keras.Sequential([inner, keras.layers.Dense(4), shared], name="stack")
    x = keras.Input((4,), name="x")
    y = BatchNormalization(name="last")(stack(x) + inner(x[:, ::-1]))
    model = randomized(keras.Model({"x": x}, {"y": y}))
    before = snapshot(model)

    made = []

    def make_layer(name, config):
        made.append(name)
        return whitening("zca")(name, config)

    converted = tfnorm.replace_batch_normalization(model, make_layer)
    assert made == ["shared", "last"]
    assert layers_of(converted, BatchNormalization) == []
    copied = converted.get_layer("stack")
    assert isinstance(copied, keras.Sequential)
    assert copied.layers[0] is converted.get_layer("inner")
    assert copied.get_layer("shared") is converted.get_layer("inner").get_layer("shared")
    assert len(converted.weights) == len(model.weights)
    x = {"x": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)}
    np.testing.assert_allclose(converted(x)["y"], model(x)["y"], rtol=1e-5, atol=1e-6)
    assert_unchanged(model, before)


def test_sequential_models_built_or_not():
    def layers():
        return [keras.layers.Dense(4), BatchNormalization(name="norm")]

    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="Received: <Sequential name="):
        tfnorm.replace_batch_normalization(keras.Sequential(layers()), whitening(), samples=x)
    unbuilt = tfnorm.replace_batch_normalization(keras.Sequential(layers()), whitening())
    assert not unbuilt.built and unbuilt(x).shape == (2, 4)

    called = keras.Sequential([keras.layers.Add(), *layers()])  # has no graph, for its two inputs
    for model, inputs in (
        (keras.Sequential([keras.Input((3,)), *layers()]), x),
        (keras.Sequential(layers()), x),
        (called, [x, x]),
    ):
        model(inputs)
        randomized(model)
        converted = tfnorm.replace_batch_normalization(model, whitening())
        assert isinstance(converted.get_layer("norm"), tfnorm.BatchWhitening)
        np.testing.assert_allclose(converted(inputs), model(inputs), rtol=1e-5, atol=1e-6)


def test_trainable_flags():
    inner, head = small_model(), keras.layers.Dense(2, name="head")
    model = keras.Sequential([inner, BatchNormalization(name="last"), head])

    def assert_flags_are_kept():
        converted = tfnorm.replace_batch_normalization(model, whitening())
        flags, expected = (
            {layer.name: layer.trainable for layer in keras_internals.with_inner_layers(some)}
            for some in (converted, model)
        )
        assert flags == expected
        paths, expected = ([w.path for w in some.trainable_weights] for some in (converted, model))
        assert paths == expected

    assert_flags_are_kept()
    model.get_layer("last").trainable = head.trainable = False
    assert_flags_are_kept()
    inner.trainable = False
    inner.get_layer("norm").trainable = True
    assert_flags_are_kept()
    model.trainable = False
    model.get_layer("last").trainable = True
    assert_flags_are_kept()


def test_dtype_policies():
    x = keras.Input((4,))
    y = keras.layers.Dense(4, dtype="mixed_bfloat16", name="dense")(x)
    y = BatchNormalization(dtype="mixed_bfloat16", name="norm")(y)
    model = keras.Model(x, y)
    for make_layer, dtype in (
        (whitening(), "float32"),
        (lambda name, config: tfnorm.Unitization(name=name, dtype=config["dtype"]), "bfloat16"),
    ):
        converted = tfnorm.replace_batch_normalization(model, make_layer)
        assert converted.get_layer("dense").compute_dtype == "bfloat16"
        assert converted.get_layer("norm").compute_dtype == dtype


@unconnected_inputs
@pytest.mark.filterwarnings("ignore:.*have no place for")
@pytest.mark.parametrize(
    ("make_layer", "taken"),
    [
        (same, ("training", "mask")),
        (whitening(), ("training", "mask")),
        (lambda name, config: keras.layers.Dropout(0.5, name=name), ("training",)),
        (lambda name, config: tfnorm.CenterScale(name=name), ()),
    ],
)
def test_arguments_of_calls_are_kept_where_the_layer_takes_them(make_layer, taken):
    x, mask = keras.Input((3, 4)), keras.Input((3,), dtype="bool")
    norm = BatchNormalization(name="norm")
    model = keras.Model([x, mask], norm(norm(x, training=False), training=True, mask=mask))
    converted = tfnorm.replace_batch_normalization(model, make_layer)
    calls = [node.arguments.kwargs for node in converted.get_layer("norm")._inbound_nodes]
    expected = [
        {"training": False, "mask": None},
        {"training": True, "mask": converted.inputs[1]},
    ]
    for given, wanted in zip(calls, expected, strict=True):
        for name, value in wanted.items():
            assert given.get(name) is (value if name in taken else None)


@unconnected_inputs
def test_a_mask_of_a_call_that_goes_nowhere_is_told():
    x, mask = keras.Input((3, 4)), keras.Input((3,), dtype="bool")
    inner = keras.Model([x, mask], BatchNormalization(name="norm")(x, mask=mask))
    a, b = keras.Input((3, 4)), keras.Input((3,), dtype="bool")
    model = keras.Model([a, b], inner([a, b]))

    def replaced(make_layer):
        x = [np.ones((1, 3, 4)), np.array([[True, True, False]])]
        return tfnorm.replace_batch_normalization(model, make_layer, samples=x)[1]

    assert replaced(whitening()) < 1e-6
    with pytest.warns(UserWarning, match="moving_variance, the mask of its call of 'norm'"):
        assert replaced(lambda name, config: tfnorm.CenterScale(name=name)) == np.inf


def test_masks_pass_by_the_new_layer():
    x = keras.Input((4,), dtype="int32")
    y = keras.layers.Embedding(5, 3, mask_zero=True)(x)
    model = randomized(keras.Model(x, keras.layers.LSTM(2)(BatchNormalization()(y))))
    x = np.array([[1, 2, 0, 0], [3, 4, 1, 2]])
    converted = tfnorm.replace_batch_normalization(model, whitening())
    np.testing.assert_allclose(converted(x), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "masked",
    [
        lambda x: keras.layers.Masking()(x),
        lambda x: keras.Sequential([keras.Input((4, 3)), keras.layers.Masking()])(x),
        lambda x: tfnorm.SpectralNormalization(keras.layers.Dense(3))(keras.layers.Masking()(x)),
    ],
)
@pytest.mark.parametrize(
    "make_layer", [whitening(), in_turn(bare, lambda config: tfnorm.Coloring())]
)
def test_masks_pass_by_whatever_makes_them(make_layer, masked):
    x = keras.Input((4, 3))
    y = BatchNormalization(epsilon=EPSILON)(masked(x))
    model = randomized(keras.Model(x, [y, keras.layers.LSTM(2)(y)]))
    x = np.where(np.arange(4)[:, np.newaxis] < 2, inputs_of(model), 0)
    assert keras_internals.mask_of(model(x)[0]) is not None
    assert tfnorm.replace_batch_normalization(model, make_layer, samples=x)[1] < 1e-5


def test_state_that_is_more_than_weights():
    # `Normalization` computes what it subtracts when it is adapted or loaded.
    normalization = keras.layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(5.0, 3.0, size=(50, 4)))
    model = keras.Sequential([keras.Input((4,)), normalization, BatchNormalization()])
    converted = tfnorm.replace_batch_normalization(model, same)
    np.testing.assert_array_equal(converted(inputs_of(model)), model(inputs_of(model)))


def test_vocabularies_and_functions():
    scale = 3.0
    words = keras.layers.StringLookup(output_mode="multi_hot")
    words.adapt(["a", "b", "b"])
    x = keras.Input((2,), dtype="string")
    y = keras.layers.Lambda(lambda x: tf.identity(x) / scale)(BatchNormalization()(words(x)))
    y = keras.Sequential([keras.layers.Lambda(lambda x: tf.abs(x) + scale)], name="inner")(y)
    model = randomized(keras.Model(x, keras.layers.Dense(2)(y)))
    converted = tfnorm.replace_batch_normalization(model, same)
    x = tf.constant([["a", "b"], ["b", "c"]])
    np.testing.assert_array_equal(converted(x), model(x))


def test_a_low_rank_update_learns_on():
    model = small_model()
    model.get_layer("dense").enable_lora(2)
    converted = tfnorm.replace_batch_normalization(model, whitening())
    converted.compile("sgd", "mse", run_eagerly=True)  # one step
    before = [weight.numpy() for weight in converted.get_layer("dense").trainable_weights]
    converted.fit(inputs_of(model), np.ones((3, 4, 4, 3)), verbose=0)
    after = [weight.numpy() for weight in converted.get_layer("dense").trainable_weights]
    assert not np.array_equal(before[2], after[2])


def unregistered_loss(y, prediction):
    return tf.reduce_mean(tf.abs(y - prediction))


class StepOfItsOwn(keras.Model):
    def train_step(self, data):
        return {"mine": 1.0}


class ConstructorOfItsOwn(keras.Model):
    def __init__(self, units):
        x = keras.Input((units,))
        super().__init__(x, BatchNormalization()(x))


def test_a_compiled_model_of_a_class_of_its_own():
    x = keras.Input((4,))
    model = StepOfItsOwn(x, BatchNormalization()(x), name="mine")
    model.compile(loss=unregistered_loss)
    converted = tfnorm.replace_batch_normalization(model, whitening())
    assert isinstance(converted, StepOfItsOwn) and converted.name == "mine"
    assert not converted.compiled

    converted = tfnorm.replace_batch_normalization(ConstructorOfItsOwn(4), whitening())
    assert type(converted) is type(keras.Model(x, x))


# Mistakes


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = BatchNormalization(name="hidden")

    def call(self, inputs):
        return self.hidden(inputs)


@pytest.mark.parametrize(
    ("model", "received"),
    [
        (lambda: Subclassed(name="mine"), "<Subclassed name=mine"),
        (lambda: BatchNormalization(name="mine"), "<BatchNormalization name=mine"),
        (lambda: "model.keras", "'model.keras'"),
    ],
)
def test_a_model_without_a_graph_is_refused(model, received):
    with pytest.raises(ValueError, match=f"Received: model={received}"):
        tfnorm.replace_batch_normalization(model(), whitening())


@pytest.mark.parametrize(
    "make_layer",
    [
        lambda: keras.layers.TimeDistributed(BatchNormalization(name="hidden"), name="outer"),
        lambda: Subclassed(name="outer"),
    ],
)
def test_one_within_another_layer_is_refused_if_selected(make_layer):
    x = keras.Input((3, 4))
    model = keras.Model(x, make_layer()(x))
    with pytest.raises(ValueError, match=r"Received: \['hidden'\] within <\w+ name=outer"):
        tfnorm.replace_batch_normalization(model, whitening())
    if not isinstance(model.layers[1], Subclassed):
        kept = tfnorm.replace_batch_normalization(model, whitening(), lambda name, config: False)
        assert layers_of(kept, BatchNormalization) == ["hidden"]


@pytest.mark.parametrize(
    ("options", "make_layer", "received"),
    [
        ({"axis": 1}, whitening(group_size=4), "axis=-1 for 'norm', which has axis=1"),
        ({}, whitening(axis=1), "axis=1 for 'norm', which has axis=-1"),
        ({"axis": 3}, whitening(axis=2), "axis=2 for 'norm', which has axis=3"),
        (
            {"axis": 1},
            in_turn(bare, lambda config: tfnorm.CenterScale()),
            "axis=-1 for 'norm', which has axis=1",
        ),
        ({}, whitening(center=False), "center=False for 'norm', which has center=True"),
        ({"center": False}, whitening(), "center=True for 'norm', which has center=False"),
        ({"scale": False}, whitening(), "scale=True for 'norm', which has scale=False"),
        (
            {},
            lambda name, config: keras.layers.LayerNormalization(scale=False, name=name),
            "scale=False for 'norm', which has scale=True",
        ),
        ({}, in_turn(bare), "center=False for 'norm', which has center=True"),
        (
            {},
            in_turn(bare, lambda config: tfnorm.Coloring(use_bias=False)),
            "center=False for 'norm', which has center=True",
        ),
        (
            {},
            in_turn(bare, lambda config: keras.layers.Dense(3), lambda c: tfnorm.CenterScale()),
            "channels=3 for 'norm', which has channels=6",
        ),
        pytest.param(
            {"renorm": True},
            whitening(),
            "renorm=False for 'norm', which has renorm=True",
            marks=renorm,
        ),
    ],
)
def test_a_layer_that_disagrees_is_refused(options, make_layer, received):
    for shape in ((4, 6, 6), (6, 6, 6)):
        x = keras.Input(shape)
        model = keras.Model(x, BatchNormalization(**options, name="norm")(x))
        with pytest.raises(ValueError, match=re.escape(f"Received: {received}")):
            tfnorm.replace_batch_normalization(model, make_layer)


def test_axes_from_the_front_and_from_the_back():
    x = keras.Input((4, 6, 5))
    model = randomized(keras.Model(x, BatchNormalization(axis=3, epsilon=EPSILON)(x)))
    converted, difference = tfnorm.replace_batch_normalization(
        model, whitening(axis=-1), samples=inputs_of(model)
    )
    assert difference < 2e-6
    # How many axes there are is not known yet.
    unbuilt = keras.Sequential([BatchNormalization(axis=1, name="norm")])
    assert not tfnorm.replace_batch_normalization(unbuilt, whitening(axis=-1)).built
    with pytest.raises(ValueError, match="Received: axis=2 for 'norm', which has axis=1"):
        tfnorm.replace_batch_normalization(unbuilt, whitening(axis=2))


@renorm
def test_batch_renormalization_can_stay():
    x = keras.Input((5,))
    model = keras.Model(x, BatchNormalization(renorm=True, name="norm")(x))
    for weight in model.get_layer("norm").weights:
        weight.assign(np.random.default_rng(0).uniform(0.5, 1.5, size=5))
    converted = tfnorm.replace_batch_normalization(model, same)
    assert_unchanged(converted, snapshot(model))
    kept = tfnorm.replace_batch_normalization(model, whitening(), select=lambda name, c: False)
    assert_unchanged(kept, snapshot(model))


def returns(layer, built=False):
    """Makes a `make_layer` that returns this one each time."""
    if built:
        layer.build((None, 4))
    return lambda name, config: layer


def layer_norm(name):
    return keras.layers.LayerNormalization(name=name)


@pytest.mark.parametrize(
    ("make_layer", "received"),
    [
        (lambda: returns(None), "None for 'first'"),
        (lambda: returns(tfnorm.BatchWhitening), "<class .*BatchWhitening'> for 'first'"),
        (lambda: returns(layer_norm("built"), built=True), "<.* name=built.* for 'first'"),
        (lambda: returns(layer_norm("once")), "<.* name=once.* for 'second'"),
    ],
)
def test_what_is_no_new_layer_is_refused(make_layer, received):
    norms = [BatchNormalization(name="first"), BatchNormalization(name="second")]
    model = keras.Sequential([keras.Input((4,)), *norms])
    with pytest.raises(ValueError, match=f"Received: {received}"):
        tfnorm.replace_batch_normalization(model, make_layer())
