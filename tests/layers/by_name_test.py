"""The factory of normalizations: which layers stand at a site, and how they are called."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnorm.layers import (
    BatchWhitening,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
    SpectralNormalization,
)
from tfnorm.layers.by_name import norm_factory, normalization_sites

CHANNELS, CLASSES, RANK = 6, 3, 2
X = np.random.default_rng(0).normal(size=(8, 2, 2, CHANNELS)).astype("float32")
LABELS = tf.constant([0, 1, 2, 1, 0, 0, 2, 1])

# Recovery, whether there are labels: whether the normalization scales and shifts, and the layers
# that follow it, by name.
FOLLOWING = [
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
@pytest.mark.parametrize("norm", ["none", "bn", "unitization", "zca"])
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


@pytest.mark.parametrize(
    ("norm", "recovery", "labelled", "row"),
    [
        ("bn", "scale_shift", False, ("site", "bn", 6, None, "gamma and beta")),
        ("bn", "scale_shift", True, ("site", "bn", 6, None, "conditional gamma and beta")),
        ("itn", "coloring", False, ("site", "itn", 6, 4, "coloring")),
        ("itn", "coloring", True, ("site", "itn", 6, 4, "coloring + conditional coloring")),
        (
            "unitization",
            "factorized_coloring",
            True,
            ("site", "unitization", 6, None, "coloring + factorized coloring"),
        ),
        ("none", "coloring", True, ("site", "none", 6, None, "coloring + conditional coloring")),
        ("none", "scale_shift", True, ("site", "none", 6, None, "conditional gamma and beta")),
        ("none", "scale_shift", False, None),
    ],
)
def test_sites_are_shown_with_their_recovery(norm, recovery, labelled, row):
    model, _ = site(norm, recovery, labelled, group_size=4)
    assert [tuple(found) for found in normalization_sites(model)] == ([] if row is None else [row])


def test_sites_of_layers_that_the_factory_did_not_make():
    model = keras.Sequential(
        [
            keras.Input((CHANNELS,)),
            BatchWhitening(center=False, name="white"),
            keras.layers.BatchNormalization(center=False, scale=False, name="plain"),
            Coloring(name="mine"),
        ]
    )
    assert [tuple(found) for found in normalization_sites(model)] == [
        ("white", "itn", 6, 6, "gamma"),
        ("plain", "bn", 6, None, ""),
        ("mine", "none", 6, None, "coloring"),
    ]


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
    ],
)
def test_what_there_is_not_is_refused(make, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        make()
