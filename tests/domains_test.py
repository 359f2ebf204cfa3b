"""Models with statistics by domain: made of others, that of one domain, folded and served."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests.trained_statistics import randomized

X = np.random.default_rng(0).normal(0.5, 1.0, size=(6, 6, 6, 3)).astype(np.float32)
DOMAIN = np.array([0, 1, 1, 0, 1, 0], np.int32)
layers = keras.layers


def in_fours(name, config, **options):
    return tfnorm.BatchWhitening("zca", group_size=4, domains=2, **options, **config)


def block(x, units=8):
    x = layers.Conv2D(units, 3, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(epsilon=0.01)(x))


def functional():
    x = keras.Input((6, 6, 3), name="image")
    return randomized(keras.Model(x, layers.Dense(2)(layers.Flatten()(block(block(x))))))


def sequential():
    return randomized(
        keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    )


def of_dict():
    x = {"image": keras.Input((6, 6, 3), name="image"), "more": keras.Input((2,), name="more")}
    y = layers.Concatenate()([layers.Flatten()(block(x["image"])), x["more"]])
    return randomized(keras.Model(x, layers.Dense(2)(y), name="of_dict"))


def nested():
    """A Sequential around a functional model and a Sequential."""
    x = keras.Input((6, 6, 3))
    inner = keras.Model(x, block(x), name="inner")
    last = keras.Sequential([keras.Input((4, 4, 8)), layers.BatchNormalization()], name="last")
    return randomized(keras.Sequential([keras.Input((6, 6, 3)), inner, last, layers.Flatten()]))


MODELS = [functional, sequential, of_dict, nested]


def samples_of(model):
    if model.name == "of_dict":
        return {"image": X, "more": np.ones((6, 2), np.float32)}
    return X


def with_domain(samples, domain):
    domain = np.broadcast_to(np.int32(domain), 6)
    return samples | {"domain": domain} if isinstance(samples, dict) else [samples, domain]


def trained(model, samples, domains=(0, 1, 1, 1)):
    """Moves the statistics of the domains apart."""
    for step, domain in enumerate(domains):
        shift = functools.partial(np.add, 3 * step)
        shifted = keras.tree.map_structure(shift, samples)
        model(with_domain(shifted, domain), training=True)
    return model


@pytest.mark.parametrize("make", MODELS)
def test_each_domain_begins_as_batch_normalization(make):
    model = make()
    samples = samples_of(model)
    new, difference = tfnorm.replace_batch_normalization(model, in_fours, samples=samples)
    assert difference < 1e-4
    expected = model(samples)
    for domain in (0, 1, DOMAIN):
        np.testing.assert_allclose(
            new(with_domain(samples, domain)), expected, rtol=1e-3, atol=1e-4
        )
    names = [layer.name for layer in new._flatten_layers() if "batch_norm" in layer.name]
    assert names == [one.name for one in model._flatten_layers() if "batch_norm" in one.name]


@pytest.mark.parametrize("make", MODELS)
def test_the_model_of_a_domain(make, tmp_path):
    model = make()
    samples = samples_of(model)
    new = tfnorm.replace_batch_normalization(model, in_fours)
    trained(new, samples)
    new.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    mixed = new(with_domain(samples, DOMAIN))
    np.testing.assert_array_equal(loaded(with_domain(samples, DOMAIN)), mixed)
    ys = []
    for domain in (0, 1):
        selected = tfnorm.select_domain(new, domain)
        y = selected(samples)
        np.testing.assert_allclose(
            y.numpy()[domain == DOMAIN], mixed.numpy()[domain == DOMAIN], atol=1e-4
        )
        folded, difference = tfnorm.fold_normalization(selected, samples)
        assert difference < 1e-4
        kinds = [type(layer) for layer in folded._flatten_layers()]
        assert tfnorm.BatchWhitening not in kinds
        ys.append(y)
    assert np.abs(ys[0] - ys[1]).max() > 0.01


def test_a_model_by_domain_keeps_its_layers_when_folded_and_can_have_matrices():
    new = trained(tfnorm.replace_batch_normalization(functional(), in_fours), X)
    samples = [X, DOMAIN]
    for options in ({}, {"matrices_only": True}):
        folded, difference = tfnorm.fold_normalization(new, samples, **options)
        assert difference < 1e-6
        by_domain = [one for one in folded.layers if isinstance(one, tfnorm.BatchWhitening)]
        assert [one.estimate for one in by_domain] == ["matrix", "matrix"]
        assert by_domain[0].moving_matrix.shape == (2, 2, 4, 4)


def test_a_model_by_domain_is_served(tmp_path):
    new = trained(tfnorm.replace_batch_normalization(sequential(), in_fours), X)
    new.export(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(loaded.serve([X, DOMAIN]), new([X, DOMAIN]), atol=1e-5)


def test_statistics_of_batch_normalization_are_each_domains():
    model = functional()
    old = model.layers[2]
    for estimate, power in (("covariance", 1.0), ("matrix", -0.5)):
        make_layer = functools.partial(in_fours, estimate=estimate)
        new = tfnorm.replace_batch_normalization(model, make_layer).get_layer(old.name)
        moving = new.block_weights(f"moving_{estimate}")[0].numpy()
        for domain in (0, 1):
            np.testing.assert_array_equal(new.moving_mean[domain], old.moving_mean)
            diagonal = np.diagonal(moving[domain], axis1=1, axis2=2).ravel()
            variances = old.moving_variance + (0.01 if estimate == "matrix" else 0.0)
            np.testing.assert_allclose(diagonal, variances**power, rtol=1e-5)
        np.testing.assert_array_equal(new.gamma, old.gamma)


def test_a_frozen_layer_is_replaced_and_selected():
    model = functional()
    model.trainable = False
    new = tfnorm.replace_batch_normalization(model, in_fours)
    selected = tfnorm.select_domain(new, 1)
    np.testing.assert_allclose(selected(X), model(X), rtol=1e-3, atol=1e-4)
    assert not new.trainable_weights and not selected.trainable_weights


def test_an_input_that_something_else_takes_stays():
    x, domain = keras.Input((5,)), keras.Input((), dtype="int32")
    y = tfnorm.BatchWhitening(domains=2, center=False, scale=False)(x, domain)
    model = keras.Model([x, domain], tfnorm.ConditionalCenterScale(2)(y, domain))
    selected = tfnorm.select_domain(model, 1)
    ones = np.ones(6, np.int32)
    np.testing.assert_allclose(
        selected([X[:, 0, 0, :1] * np.ones(5), ones]), model([X[:, 0, 0, :1] * np.ones(5), ones])
    )


def test_a_model_within_that_is_called_by_name():
    inner = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    x = keras.Input((4,))
    model = keras.Model(x, inner(inputs=x))
    new = tfnorm.replace_batch_normalization(model, in_fours)
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(new([rows, np.zeros(5)]), model(rows), atol=1e-5)
    domain = keras.Input((), dtype="int32")
    pair = keras.Model([x, domain], new.layers[-1](inputs=[x, domain]))
    np.testing.assert_allclose(tfnorm.select_domain(pair, 1)(rows), model(rows), atol=1e-5)


def test_what_is_refused():
    model = functional()
    new = tfnorm.replace_batch_normalization(model, in_fours)
    for wrong in (2, -1, 1.0, True):
        with pytest.raises(ValueError, match=f"in \\[0, 2\\). Received: domain={wrong}"):
            tfnorm.select_domain(new, wrong)
    with pytest.raises(ValueError, match="a layer with `domains`. Received: model=<Functional"):
        tfnorm.select_domain(model, 0)
    with pytest.raises(ValueError, match="functional or Sequential model, built. Received: model="):
        tfnorm.select_domain(keras.Sequential([layers.Dense(2)]), 0)
    unbuilt = keras.Sequential([layers.BatchNormalization(name="norm")])
    with pytest.raises(ValueError, match="must be built for layers with `domains`. Received:"):
        tfnorm.replace_batch_normalization(unbuilt, in_fours)
    two = keras.Sequential(
        [keras.Input((4,)), *(layers.BatchNormalization(name=name) for name in ("a", "b"))]
    )
    half = tfnorm.replace_batch_normalization(two, in_fours, select=lambda name, _: name == "a")
    with pytest.raises(ValueError, match="in one conversion.* Received: a model with a$"):
        tfnorm.replace_batch_normalization(half, in_fours)

    def within(name, config):
        return keras.Sequential([in_fours(name, config), tfnorm.CenterScale()])

    with pytest.raises(ValueError, match="Received: <Sequential .* for 'batch_norm"):
        tfnorm.replace_batch_normalization(model, within)
