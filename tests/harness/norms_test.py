"""The factory of normalizations: which layers stand at a site, and how they are called."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.norm_names import norm_text, parse_norm
from tests import reference
from tests.norms import norm_factory
from tfnorm.layers import (
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
    SpectralNormalization,
)
from tfnorm.layers.sites import normalization_sites

CHANNELS, CLASSES, RANK = 6, 3, 2
X = np.random.default_rng(0).normal(size=(8, 2, 2, CHANNELS)).astype("float32")
LABELS = tf.constant([0, 1, 2, 1, 0, 0, 2, 1])

# Recovery, whether there are labels: whether the normalization scales and shifts, and the layers
# that follow it, by name.
FOLLOWING = [
    ("none", False, False, {}),
    ("scale_shift", False, True, {}),
    ("scale_shift", True, False, {"site_conditional_gamma_and_beta": ConditionalCenterScale}),
    ("coloring", False, False, {"site_coloring": Coloring}),
    (
        "coloring",
        True,
        False,
        {"site_coloring": Coloring, "site_conditional_coloring": ConditionalColoring},
    ),
    ("factorized_coloring", False, False, {"site_coloring": Coloring}),
    (
        "factorized_coloring",
        True,
        False,
        {"site_coloring": Coloring, "site_factorized_coloring": FactorizedColoring},
    ),
]
CASES = pytest.mark.parametrize(("recovery", "labelled", "affine", "following"), FOLLOWING)


def site(norm, recovery, labelled, **options):
    """A model of one site, and what to call it with."""
    factory = norm_factory(norm, recovery, num_classes=CLASSES, rank=RANK, **options)
    x = keras.Input((2, 2, CHANNELS))
    if not labelled:
        return keras.Model(x, factory("site")(x)), tf.constant(X)
    labels = keras.Input((), dtype="int32")
    return keras.Model([x, labels], factory("site")(x, labels)), [tf.constant(X), LABELS]


def followers(model):
    """The layers with weights, by name, but for the normalization."""
    return {layer.name: layer for layer in model.layers if layer.weights and layer.name != "site"}


@CASES
@pytest.mark.parametrize("norm", ["none", "bn", "gn", "ln", "unitization", "zca"])
def test_what_stands_at_a_site(norm, recovery, labelled, affine, following):
    model, inputs = site(norm, recovery, labelled)
    layers = followers(model)
    assert {name: type(layer) for name, layer in layers.items()} == following
    if norm != "none":
        layer = model.get_layer("site")
        assert layer.center == layer.scale == affine
        normalized = keras.Model(model.inputs, layer.output)(inputs)
    else:
        normalized = X
    y = model(inputs)
    if not following:
        np.testing.assert_array_equal(y, normalized)
        return
    parts = [
        layer(normalized) if isinstance(layer, Coloring) else layer(normalized, LABELS)
        for layer in layers.values()
    ]
    np.testing.assert_allclose(y, sum(parts), rtol=1e-5, atol=1e-5)


@CASES
def test_spectral_normalization_is_of_the_matrices_only(recovery, labelled, affine, following):
    model, inputs = site("zca", recovery, labelled, spectral=True)
    for name, kind in following.items():
        if kind is ConditionalCenterScale:
            assert type(model.get_layer(name)) is kind
        else:
            wrapper = model.get_layer(f"spectral_{name}")
            assert isinstance(wrapper, SpectralNormalization)
            assert type(wrapper.layer) is kind
    assert model(inputs, training=True).shape == X.shape
    plain, _ = site("zca", recovery, labelled)
    assert normalization_sites(model) == normalization_sites(plain)


def test_the_rank_and_the_number_of_classes():
    model, _ = site("bn", "factorized_coloring", True)
    assert model.get_layer("site_factorized_coloring").kernel.shape == (RANK, CHANNELS, CHANNELS)
    assert model.get_layer("site_factorized_coloring").class_matrix.shape == (CLASSES, RANK)
    factory = norm_factory("none", "factorized_coloring", num_classes=CLASSES)
    x, labels = keras.Input((CHANNELS,)), keras.Input((), dtype="int32")
    model = keras.Model([x, labels], factory("site")(x, labels))
    assert model.get_layer("site_factorized_coloring").kernel.shape == (10, CHANNELS, CHANNELS)


# Options, and the groups of CHANNELS that they stand for.
GROUPS = [
    ({}, 1),
    ({"groups": 1}, 1),
    ({"groups": 3}, 3),
    ({"groups": 6}, 6),
    ({"group_size": 1}, 6),
    ({"group_size": 2}, 3),
    ({"group_size": 6}, 1),
    ({"group_size": 64}, 1),
]


@pytest.mark.parametrize(("options", "groups"), GROUPS)
def test_groups_are_given_by_number_or_by_size(options, groups):
    model, x = site("gn", "scale_shift", False, epsilon=0.25, **options)
    assert [tuple(found) for found in normalization_sites(model)] == [
        ("site", "gn", CHANNELS, CHANNELS // groups, "gamma and beta")
    ]
    rows = X.astype("float64").reshape(8, 4, groups, CHANNELS // groups)
    mean, variance = rows.mean((1, 3), keepdims=True), rows.var((1, 3), keepdims=True)
    expected = ((rows - mean) / np.sqrt(variance + 0.25)).reshape(X.shape)
    np.testing.assert_allclose(model(x), expected, atol=1e-5)
    np.testing.assert_array_equal(model(x, training=True), model(x))


@pytest.mark.parametrize(
    ("options", "groups"), [({}, 2), *(pair for pair in GROUPS[1:] if pair[1] < 6)]
)
def test_group_whitening_has_as_many_groups(options, groups):
    """By itself 32 or as many of these as divide the channels: of 6 it is 2."""
    model, x = site("gw", "scale_shift", False, epsilon=0.25, iterations=3, **options)
    assert [tuple(found) for found in normalization_sites(model)] == [
        ("site", "gw", CHANNELS, CHANNELS // groups, "gamma and beta")
    ]
    samples = X.astype("float64").reshape(8, -1, CHANNELS)
    expected = reference.group_whiten(samples, groups, "itn", 0.25, iterations=3)
    np.testing.assert_allclose(model(x), expected.reshape(X.shape), atol=1e-5)


@pytest.mark.parametrize(
    ("kept", "clipped"), [(None, [-1, 0.5, 2]), ("unit_interval", [0, 0.5, 1])]
)
def test_alpha_is_kept_where_it_is_told(kept, clipped):
    x = keras.Input((3,))
    model = keras.Model(x, norm_factory("unitization", alpha_constraint=kept)("site")(x))
    keep = model.get_layer("site").alpha.constraint or tf.convert_to_tensor
    np.testing.assert_array_equal(keep(tf.constant([-1.0, 0.5, 2.0])), clipped)


def test_layer_normalization_is_of_the_channels_of_a_position():
    model, x = site("ln", "none", False, epsilon=0.25)
    rows = X.astype("float64")
    mean, variance = rows.mean(-1, keepdims=True), rows.var(-1, keepdims=True)
    np.testing.assert_allclose(model(x), (rows - mean) / np.sqrt(variance + 0.25), atol=1e-5)


@pytest.mark.parametrize("norm", ["gn", "ln"])
def test_vectors_are_normalized_as_a_position(norm):
    """(n, channels): what a dense layer gives."""
    x = keras.Input((CHANNELS,))
    model = keras.Model(x, norm_factory(norm, epsilon=0.25)("site")(x))
    rows = X[:, 0, 0]
    mean, variance = rows.mean(-1, keepdims=True), rows.var(-1, keepdims=True)
    expected = (rows - mean) / np.sqrt(variance + 0.25)
    np.testing.assert_allclose(model(rows), expected, atol=1e-5)


@pytest.mark.parametrize("norm", ["itn", "bn", "ln", "none"])
def test_the_number_of_groups_is_for_gn_alone(norm):
    with pytest.raises(ValueError, match=f"Received: norm='{norm}', groups=3"):
        norm_factory(norm, groups=3)


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"groups": 4}, "groups=4, group_size=None, layer='site', channels=6"),
        ({"groups": 7}, "groups=7, group_size=None, layer='site', channels=6"),
        ({"group_size": 4}, "groups=None, group_size=4, layer='site', channels=6"),
    ],
)
def test_groups_divide_the_channels(options, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        site("gn", "scale_shift", False, **options)


@pytest.mark.parametrize(
    ("name", "norm", "group_size"),
    [
        ("bn", "bn", None),
        ("zca-64", "zca", 64),
        ("gn-16", "gn", 16),
        ("gw-8", "gw", 8),
        ("itn", "itn", None),
    ],
)
def test_a_name_says_the_group_size(name, norm, group_size):
    assert parse_norm(name) == {"norm": norm, "group_size": group_size}
    assert norm_text(norm, group_size) == name


@pytest.mark.parametrize(
    "name",
    ["layer", "", "zca-", "zca-0", "zca-x", "zca-016", "zca-١٦", "bn-16", "ln-4", "-16"],
)
def test_a_name_that_there_is_not_is_refused(name):
    with pytest.raises(ValueError, match=f"Received: norm='{name}'"):
        parse_norm(name)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: norm_factory("instance"), "norm='instance'"),
        (lambda: norm_factory("bn", "colouring"), "recovery='colouring'"),
        (
            lambda: norm_factory("bn", "factorized_coloring"),
            "recovery='factorized_coloring', num_classes=None",
        ),
        (lambda: norm_factory("bn", num_classes=0), "num_classes=0"),
        (lambda: norm_factory("bn", rank=0), "rank=0"),
        (lambda: norm_factory("bn")("site")(X, LABELS), "num_classes=None"),
        (
            lambda: norm_factory("bn", "none")("site")(X, LABELS),
            "recovery='none', layer='site'",
        ),
        (lambda: norm_factory("gn", groups=2, group_size=3), "groups=2, group_size=3"),
        (lambda: norm_factory("gn", groups=0), "groups=0"),
        (lambda: norm_factory("gn", group_size=0), "group_size=0"),
    ],
)
def test_what_there_is_not_is_refused(make, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        make()
