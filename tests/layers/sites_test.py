"""What the programs show of a network: where it normalises, and with what."""

import keras
import pytest

from tests.keras_versions import unconnected_inputs
from tests.norms import norm_factory
from tfnorm.layers import BatchWhitening, Coloring, SpectralNormalization, Unitization
from tfnorm.layers.sites import normalization_sites

CHANNELS = 6


@pytest.mark.parametrize(
    ("norm", "recovery", "labelled", "row"),
    [
        ("bn", "none", False, ("site", "bn", 6, None, "")),
        ("gn", "none", False, ("site", "gn", 6, 2, "")),
        ("gn", "scale_shift", True, ("site", "gn", 6, 2, "conditional gamma and beta")),
        ("gn", "coloring", False, ("site", "gn", 6, 2, "coloring")),
        ("ln", "none", False, ("site", "ln", 6, None, "")),
        ("ln", "scale_shift", False, ("site", "ln", 6, None, "gamma and beta")),
        ("none", "none", False, None),
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
@unconnected_inputs
def test_sites_are_shown_with_their_recovery(norm, recovery, labelled, row):
    factory = norm_factory(norm, recovery, num_classes=3, group_size=2 if norm == "gn" else 4)
    x, labels = keras.Input((2, 2, CHANNELS)), keras.Input((), dtype="int32")
    model = keras.Model([x, labels], factory("site")(x, *[labels] * labelled))
    assert [tuple(site) for site in normalization_sites(model)] == ([] if row is None else [row])


def test_sites_of_layers_that_the_factory_did_not_make():
    model = keras.Sequential(
        [
            keras.Input((CHANNELS,)),
            BatchWhitening(center=False, name="white"),
            keras.layers.BatchNormalization(center=False, scale=False, name="plain"),
            Coloring(name="mine"),
            keras.layers.GroupNormalization(-1, center=False, name="groups"),
            keras.layers.LayerNormalization(scale=False, name="layer"),
        ]
    )
    assert [tuple(site) for site in normalization_sites(model)] == [
        ("white", "itn", 6, 6, "gamma"),
        ("plain", "bn", 6, None, ""),
        ("mine", "none", 6, None, "coloring"),
        ("groups", "gn", 6, 1, "gamma"),
        ("layer", "ln", 6, None, "beta"),
    ]


def test_a_group_is_at_most_all_channels():
    """Whatever was asked for: a site shows what it has."""
    sizes = (4, CHANNELS, CHANNELS + 1, 64)
    layers = [BatchWhitening(group_size=size, name=f"site_{size}") for size in sizes]
    model = keras.Sequential([keras.Input((CHANNELS,)), *layers])
    assert [site.group_size for site in normalization_sites(model)] == [4, 6, 6, 6]


def test_channels_are_those_of_the_axis():
    model = keras.Sequential(
        [
            keras.Input((CHANNELS, 4, 5)),
            BatchWhitening(axis=1),
            Coloring(axis=1),
            Unitization(axis=1),
            keras.layers.BatchNormalization(axis=1),
            SpectralNormalization(Coloring(axis=1, name="spectral")),
        ]
    )
    assert [site.channels for site in normalization_sites(model)] == [CHANNELS] * 5
