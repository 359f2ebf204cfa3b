"""What the programs show of a network before it trains."""

import keras

from harness.config import Normalization
from harness.networks import describe_networks
from harness.norms import norm_factory
from tfnorm import BatchWhitening, GroupWhitening


def network():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(8, 3, padding="same"),
            BatchWhitening("zca", group_size=4, name="maps"),
            layers.GlobalAveragePooling2D(),
            BatchWhitening("cd", group_size=None, name="vectors"),
        ],
        name="network",
    )


def test_sizes_and_sites():
    assert describe_networks([network()], 16).splitlines() == [
        "",
        "network: 256 parameters",
        "  maps: zca, 8 channels, groups of 4, gamma and beta",
        "  vectors: cd, 8 channels, groups of 8, gamma and beta",
    ]


def test_too_few_rows_are_a_warning_with_the_numbers():
    lines = describe_networks([network()], 15).splitlines()
    (warning,) = [line for line in lines if "warning" in line]
    assert warning.startswith(
        "  warning: vectors whitens groups of 8 channels by the statistics of 15"
    )
    assert "fewer than 16" in warning


def test_too_few_values_of_a_sample_are_a_warning_too():
    inputs = keras.Input((3, 3, 8))
    model = keras.Model(inputs, GroupWhitening(8, name="maps")(inputs))
    (warning,) = [line for line in describe_networks([model], 99).splitlines() if "warning" in line]
    assert warning.startswith("  warning: maps whitens 8 groups by the 9 values")


def test_one_group_is_a_warning_where_it_comes_of_a_size():
    make = norm_factory(Normalization(norm="gw", group_size=16))
    inputs = keras.Input((8, 8, 16))
    first = make("of_16")(inputs)
    model = keras.Model(inputs, make("of_32")(keras.layers.Conv2D(32, 3)(first)))
    (warning,) = [line for line in describe_networks([model], 99).splitlines() if "warning" in line]
    assert warning.startswith("  warning: of_16 whitens nothing: it has one group")
