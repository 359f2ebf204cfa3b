"""What the layers refuse, and that they say what they were given."""

import inspect
import json
import re

import keras
import numpy as np
import pytest

from tfnorm import (
    BatchWhitening,
    CenterScale,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
    SpectralNormalization,
    UnitInterval,
    Unitization,
)

# Layers of channels, and what they cannot be made without.
NEEDED = {
    BatchWhitening: {},
    Unitization: {},
    CenterScale: {},
    Coloring: {},
    ConditionalCenterScale: {"num_classes": 3},
    ConditionalColoring: {"num_classes": 3},
    FactorizedColoring: {"num_classes": 3, "rank": 2},
}
BOOLEANS = {
    BatchWhitening: ("center", "scale", "synchronized"),
    Unitization: ("center", "scale", "synchronized", "normalize"),
    CenterScale: ("center", "scale"),
    ConditionalCenterScale: ("center", "scale"),
    Coloring: ("use_bias",),
    ConditionalColoring: ("use_bias",),
}
# Layer, its arguments, and the received half of the message.
REFUSED = [
    (BatchWhitening, {"method": "zac"}, "Received: method='zac'"),
    (BatchWhitening, {"method": None}, "Received: method=None"),
    (BatchWhitening, {"method": ["zca"]}, "Received: method=['zca']"),
    (BatchWhitening, {"scaling": ["trace"]}, "Received: scaling=['trace']"),
    (BatchWhitening, {"estimate": "variance"}, "Received: estimate='variance'"),
    (BatchWhitening, {"device": "tpu"}, "Received: device='tpu'"),
    (BatchWhitening, {"iterations": 0}, "Received: iterations=0"),
    (BatchWhitening, {"iterations": 2.5}, "Received: iterations=2.5"),
    (BatchWhitening, {"iterations": True}, "Received: iterations=True"),
    (BatchWhitening, {"scaling": "norm"}, "Received: scaling='norm'"),
    (BatchWhitening, {"scaling": None}, "Received: scaling=None"),
    *(
        (cls, {name: value}, f"Received: {name}={value!r}")
        for cls, names in BOOLEANS.items()
        for name in names
        for value in ("False", "", 0, 1, None, np.float32(1))
    ),
    *(
        (cls, {"group_size": value}, f"Received: group_size={value!r}")
        for cls in (BatchWhitening, Coloring)
        for value in (0, -1, 2.0, "4", True)
    ),
    *(
        (cls, {"momentum": value}, f"Received: momentum={value!r}")
        for cls in (BatchWhitening, Unitization)
        for value in (-0.1, 1.01, float("nan"), float("inf"), True, "0.9", None)
    ),
    *(
        (cls, {"epsilon": value}, f"Received: epsilon={value!r}")
        for cls in (BatchWhitening, Unitization)
        for value in (-1e-3, float("nan"), float("inf"), False, "1e-3", None)
    ),
    *(
        (cls, {"axis": value}, f"Received: axis={value!r}")
        for cls in NEEDED
        for value in (0, "last", (1,), None, True)
    ),
    *(
        (cls, {name: value}, f"Received: {name}={value!r}")
        for cls, needed in NEEDED.items()
        for name in needed
        for value in (0, -1, 2.0, "4", None, True)
    ),
    *(
        (SpectralNormalization, {"power_iterations": value}, f"Received: power_iterations={value}")
        for value in (0, -1, 1.5, True)
    ),
]


def error_of(function, *args, **kwargs):
    with pytest.raises(ValueError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    # The rule comes first, as a sentence, and nothing is left to fill in.
    assert re.match(r"[`A-Z].+\. Received: ", message, re.DOTALL), message
    assert "{" not in message
    return message


@pytest.mark.parametrize("cls, arguments, received", REFUSED)
def test_constructor(cls, arguments, received):
    needed = NEEDED.get(cls, {"layer": keras.layers.Dense(2)})
    assert error_of(cls, **(needed | arguments)).endswith(received)


@pytest.mark.parametrize("cls", NEEDED)
@pytest.mark.parametrize(
    "axis, input_shape",
    [
        (-1, (8, 4, None)),
        (1, (8, None, 4)),
        (-1, (8, 0)),
        (-1, (8,)),
        (-1, (8, 2, 2, 2, 2, 3)),
        (2, (8, 4)),
        (-3, (8, 4, 4)),
        (-5, (8, 4, 4)),
    ],
)
def test_build(cls, axis, input_shape):
    message = error_of(cls(axis=axis, **NEEDED[cls]).build, input_shape)
    assert message.endswith(f"input_shape={input_shape}")


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.ReLU(),
        keras.layers.BatchNormalization(),
        CenterScale(scale=False),
        ConditionalCenterScale(3, scale=False),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_spectral_normalization_of_a_layer_without_a_kernel(layer):
    message = error_of(SpectralNormalization(layer).build, (8, 4))
    assert f"Received: layer=<{type(layer).__name__} name={layer.name}" in message


def test_the_methods_in_the_message_are_those_that_there_are():
    message = error_of(BatchWhitening, method="svd")
    assert "one of ['cd', 'itn', 'pca', 'zca']." in message


@pytest.mark.parametrize(
    "arguments",
    [
        {"group_size": None},
        {"group_size": 1},
        {"group_size": 1000},
        {"momentum": 0},
        {"momentum": 1},
        {"epsilon": 0},
        {"iterations": 1},
        {"axis": -2},
        {"device": "cpu"},
    ],
)
def test_the_ends_of_the_ranges_are_allowed(arguments):
    layer = BatchWhitening(**arguments)
    x = np.random.default_rng(0).normal(size=(9, 3, 4)).astype(np.float32)
    assert np.isfinite(layer(x, training=True)).all()
    for name, value in arguments.items():
        assert getattr(layer, name) == value


KERNEL = {
    "kernel_initializer": keras.initializers.HeNormal(seed=1),
    "kernel_regularizer": keras.regularizers.L1(0.1),
    "kernel_constraint": keras.constraints.NonNeg(),
}
KERNEL_AND_BIAS = KERNEL | {
    "use_bias": False,
    "bias_initializer": keras.initializers.Constant(2.0),
    "bias_regularizer": keras.regularizers.L2(0.2),
    "bias_constraint": keras.constraints.UnitNorm(),
}
COMMON = {
    "axis": 1,
    "center": False,
    "scale": False,
    "beta_initializer": keras.initializers.Constant(2.0),
    "gamma_initializer": keras.initializers.Constant(3.0),
    "beta_regularizer": keras.regularizers.L1(0.1),
    "gamma_regularizer": keras.regularizers.L2(0.2),
    "beta_constraint": keras.constraints.NonNeg(),
    "gamma_constraint": keras.constraints.UnitNorm(),
}
BATCH_STATISTICS = COMMON | {
    "momentum": 0.7,
    "epsilon": 0.3,
    "moving_mean_initializer": keras.initializers.Constant(4.0),
    "moving_variance_initializer": keras.initializers.Constant(5.0),
    "synchronized": True,
}
# A value of each argument that is not the default.
NOT_THE_DEFAULTS = {
    CenterScale: COMMON,
    Unitization: BATCH_STATISTICS
    | {
        "alpha_initializer": "ones",
        "alpha_regularizer": keras.regularizers.L1(0.1),
        "alpha_constraint": UnitInterval(),
        "normalize": False,
    },
    BatchWhitening: BATCH_STATISTICS
    | {
        "method": "cd",
        "group_size": 3,
        "iterations": 7,
        "scaling": "spectral",
        "estimate": "matrix",
        "device": "cpu",
        "domains": 2,
    },
    Coloring: KERNEL_AND_BIAS | {"axis": 1, "group_size": 3},
    ConditionalCenterScale: COMMON | {"num_classes": 4},
    ConditionalColoring: KERNEL_AND_BIAS | {"axis": 1, "num_classes": 4},
    FactorizedColoring: KERNEL
    | {
        "axis": 1,
        "num_classes": 4,
        "rank": 3,
        "class_matrix_initializer": keras.initializers.Constant(2.0),
        "class_matrix_regularizer": keras.regularizers.L2(0.2),
        "class_matrix_constraint": keras.constraints.UnitNorm(),
    },
    SpectralNormalization: {"layer": keras.layers.Dense(3), "power_iterations": 4},
}


@pytest.mark.parametrize("cls", NOT_THE_DEFAULTS)
def test_every_argument_survives_the_config(cls):
    arguments = NOT_THE_DEFAULTS[cls]
    config = cls(**arguments).get_config()
    assert set(config) == {*arguments, "name", "trainable", "dtype"}
    default = cls(**NEEDED.get(cls, {"layer": keras.layers.Dense(2)})).get_config()
    again = cls.from_config(cls(**arguments).get_config()).get_config()
    for name in arguments:
        assert config[name] != default[name], name
        assert again[name] == config[name], name


# Numbers of NumPy's, and what they are in a configuration.
NUMPY_NUMBERS = [
    (BatchWhitening, {"group_size": np.int64(3), "iterations": np.uint8(7), "axis": np.int32(-1)}),
    (BatchWhitening, {"domains": np.int16(2)}),
    (BatchWhitening, {"momentum": np.float32(0.5), "epsilon": np.float64(0.25)}),
    (Unitization, {"momentum": np.int64(1), "epsilon": np.float16(0.5), "center": np.bool_(False)}),
    (Coloring, {"group_size": np.int16(3), "use_bias": np.bool_(True)}),
    (ConditionalColoring, {"num_classes": np.int64(3)}),
    (FactorizedColoring, {"num_classes": np.int64(3), "rank": np.int8(2)}),
    (SpectralNormalization, {"power_iterations": np.int64(2)}),
]


@pytest.mark.parametrize("cls, arguments", NUMPY_NUMBERS)
def test_numpy_numbers_are_numbers(cls, arguments):
    needed = NEEDED.get(cls, {"layer": keras.layers.Dense(2)})
    config = cls(**(needed | arguments)).get_config()
    again = json.loads(json.dumps({name: config[name] for name in arguments}))
    assert again == {name: value.item() for name, value in arguments.items()}
    for name, value in arguments.items():
        assert type(config[name]) in (bool, int, float), name
        assert not isinstance(value, np.floating) or type(config[name]) is float


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64", "bool"])
@pytest.mark.parametrize("cls", NEEDED)
def test_numbers_that_are_not_floating(cls, dtype):
    """As BatchNormalization does: they are what the same numbers in the compute dtype are."""
    values = np.random.default_rng(0).integers(0, 2, size=(40, 4)).astype(dtype)
    labels = [np.zeros(40, np.int32)] if "num_classes" in NEEDED[cls] else []
    layer = cls(**NEEDED[cls])
    takes_training = "training" in inspect.signature(layer.call).parameters
    for arguments in [{"training": True}, {"training": False}] if takes_training else [{}]:
        of_floats = layer(values.astype(np.float32), *labels, **arguments)
        np.testing.assert_array_equal(layer(values, *labels, **arguments), of_floats)
    inputs = [keras.Input((4,), dtype=dtype), *(keras.Input((), dtype="int32") for _ in labels)]
    assert layer(*inputs).dtype == "float32"


@pytest.mark.parametrize("cls", NEEDED)
def test_another_number_of_channels_is_refused(cls):
    layer = cls(**NEEDED[cls])
    layer.build((None, 4))
    labels = [np.zeros(3, np.int32)] if "num_classes" in NEEDED[cls] else []
    with pytest.raises(ValueError, match=r"incompatible.*\(3, 5\)"):
        layer(np.zeros((3, 5), np.float32), *labels)
