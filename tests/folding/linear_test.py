"""Which layers take which maps, before and after them."""

import keras
import numpy as np
import pytest

from tests.folding import checked
from tests.keras_versions import renorm
from tfnorm import BatchWhitening, CenterScale, Coloring

L = keras.layers

# Layers that take every map of their outputs and, if they do not pad, of their inputs: the input's
# shape and the layer. All sizes differ, so that no two axes can be taken for each other.
MIXING = {
    "dense": ((6,), lambda **o: L.Dense(4, **o)),
    "dense_of_sequences": ((5, 6), lambda **o: L.Dense(4, **o)),
    "dense_of_images": ((5, 7, 6), lambda **o: L.Dense(4, **o)),
    "conv1d": ((9, 6), lambda **o: L.Conv1D(4, 3, strides=2, **o)),
    "conv2d": ((9, 8, 6), lambda **o: L.Conv2D(4, (3, 2), dilation_rate=2, **o)),
    "conv3d": ((5, 6, 7, 6), lambda **o: L.Conv3D(4, (3, 2, 1), **o)),
    "separable1d": ((9, 6), lambda **o: L.SeparableConv1D(4, 3, depth_multiplier=2, **o)),
    "separable2d": ((9, 8, 6), lambda **o: L.SeparableConv2D(4, (3, 2), depth_multiplier=2, **o)),
    "transposed1d": ((9, 6), lambda **o: L.Conv1DTranspose(4, 3, strides=2, **o)),
    "transposed2d": ((9, 8, 6), lambda **o: L.Conv2DTranspose(4, (3, 2), strides=2, **o)),
    "transposed3d": ((3, 4, 5, 6), lambda **o: L.Conv3DTranspose(4, (3, 2, 1), **o)),
}
# Layers that take diagonal maps only.
DEPTHWISE = {
    "depthwise1d": ((9, 6), lambda **o: L.DepthwiseConv1D(3, **o)),
    "depthwise2d": ((9, 8, 6), lambda **o: L.DepthwiseConv2D((3, 2), **o)),
}
TRANSPOSED = [name for name in MIXING if name.startswith("transposed")]
SEPARABLE = [name for name in MIXING if name.startswith("separable")]
PADDING = [name for name in [*MIXING, *DEPTHWISE] if not name.startswith("dense")]
LINEAR = MIXING | DEPTHWISE


def without_shift(name="norm"):
    """A diagonal map of which the shift is 0."""
    return CenterScale(center=False, name=name)


def folded_kinds(shape, *layers):
    return checked.kinds(checked.folded(checked.trained(checked.model(shape, *layers))))


@pytest.mark.parametrize("name", LINEAR)
def test_batch_normalization_after(name):
    shape, make = LINEAR[name]
    layers = make(name="linear"), checked.BatchNormalization()
    assert list(folded_kinds(shape, *layers)) == ["linear"]


@pytest.mark.parametrize("name", MIXING)
def test_whitening_after_a_layer_without_bias(name):
    shape, make = MIXING[name]
    layers = make(name="linear", use_bias=False), checked.BatchWhitening(group_size=3)
    assert list(folded_kinds(shape, *layers)) == ["linear"]


@pytest.mark.parametrize("name", PADDING)
def test_after_padding(name):
    shape, make = LINEAR[name]
    layers = make(name="linear", padding="same"), checked.BatchNormalization()
    assert list(folded_kinds(shape, *layers)) == ["linear"]


@pytest.mark.parametrize("name", [name for name in LINEAR if name not in TRANSPOSED])
def test_batch_normalization_before(name):
    shape, make = LINEAR[name]
    linear = make(name="linear", activation="relu")
    assert list(folded_kinds(shape, checked.BatchNormalization(), linear)) == ["linear"]


@pytest.mark.parametrize("name", [name for name in MIXING if name not in [*TRANSPOSED, *SEPARABLE]])
def test_whitening_before_a_layer_without_bias(name):
    shape, make = MIXING[name]
    linear = make(name="linear", use_bias=False)
    assert list(folded_kinds(shape, checked.BatchWhitening(group_size=4), linear)) == ["linear"]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("name", PADDING)
def test_before_without_shift(name, padding):
    shape, make = LINEAR[name]
    linear = make(name="linear", padding=padding)
    assert list(folded_kinds(shape, without_shift(), linear)) == ["linear"]


@pytest.mark.parametrize("name", PADDING)
def test_a_shift_does_not_pass_padding(name):
    shape, make = LINEAR[name]
    layers = CenterScale(name="norm"), make(name="linear", padding="same")
    assert list(folded_kinds(shape, *layers)) == ["norm", "linear"]


@pytest.mark.parametrize("name", TRANSPOSED)
def test_a_shift_does_not_pass_a_transposed_convolution(name):
    shape, make = MIXING[name]
    layers = CenterScale(name="norm"), make(name="linear", padding="valid")
    assert list(folded_kinds(shape, *layers)) == ["norm", "linear"]


# Kernels of two taps along one axis, which "same" pads on one side.
TWO_TAPS = {
    "conv1d": ((9, 6), lambda **o: L.Conv1D(4, 2, **o)),
    "conv2d, height": ((9, 8, 6), lambda **o: L.Conv2D(4, (2, 1), **o)),
    "conv2d, width": ((9, 8, 6), lambda **o: L.Conv2D(4, (1, 2), **o)),
    "conv3d": ((5, 6, 7, 6), lambda **o: L.Conv3D(4, (1, 1, 2), **o)),
    "depthwise2d": ((9, 8, 6), lambda **o: L.DepthwiseConv2D((2, 1), **o)),
    "separable2d": ((9, 8, 6), lambda **o: L.SeparableConv2D(4, (1, 2), **o)),
}


@pytest.mark.parametrize("name", TWO_TAPS)
def test_a_shift_does_not_pass_padding_on_one_side(name):
    shape, make = TWO_TAPS[name]
    layers = CenterScale(name="norm"), make(name="linear", padding="same")
    assert list(folded_kinds(shape, *layers)) == ["norm", "linear"]
    layers = CenterScale(name="norm"), make(name="linear", padding="valid")
    assert list(folded_kinds(shape, *layers)) == ["linear"]
    layers = without_shift(), make(name="linear", padding="same"), checked.BatchNormalization()
    assert list(folded_kinds(shape, *layers)) == ["linear"]


@pytest.mark.parametrize("size", [2, 3])
def test_a_shift_does_not_pass_causal_padding(size):
    layers = CenterScale(name="norm"), L.Conv1D(4, size, padding="causal", name="linear")
    assert list(folded_kinds((9, 6), *layers)) == ["norm", "linear"]


class FirstChannel(keras.initializers.Initializer):
    """1 for the first channel, 0 for the others."""

    def __call__(self, shape, dtype=None):
        return np.eye(shape[0], dtype=dtype)[0]


def shift_of_one_channel(**options):
    return CenterScale(beta_initializer=FirstChannel(), **options)


def test_a_shift_of_one_channel_is_a_shift():
    layers = [shift_of_one_channel(name="norm"), L.Conv2D(4, 3, padding="same", name="linear")]
    model = checked.model((9, 8, 6), *layers)
    assert list(checked.kinds(checked.folded(model))) == ["norm", "linear"]
    model = checked.model((5,), L.Dense(6, use_bias=False, name="linear"), shift_of_one_channel())
    folded = checked.folded(model)
    assert list(checked.kinds(folded)) == ["linear"]
    assert folded.get_layer("linear").bias.numpy().tolist() == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("shape", "linear"),
    [
        ((9, 6), L.Conv1D(4, 1, padding="causal", name="linear")),
        ((9, 8, 6), L.Conv2D(4, 1, padding="same", strides=2, name="linear")),
        ((9, 8, 6), L.DepthwiseConv2D(1, padding="same", name="linear")),
        ((9, 8, 6), L.SeparableConv2D(4, 1, padding="same", name="linear")),
    ],
    ids=lambda value: getattr(type(value), "__name__", ""),
)
def test_a_shift_passes_a_kernel_of_one_tap(shape, linear):
    # The layer is made once for all tests, and called once.
    assert list(folded_kinds(shape, checked.BatchNormalization(), linear)) == ["linear"]


@pytest.mark.parametrize("name", [*SEPARABLE, *DEPTHWISE])
def test_a_depthwise_kernel_takes_no_mixture_of_its_inputs(name):
    shape, make = LINEAR[name]
    layers = Coloring(name="norm"), make(name="linear")
    assert list(folded_kinds(shape, *layers)) == ["norm", "linear"]


@pytest.mark.parametrize("name", DEPTHWISE)
def test_a_depthwise_kernel_takes_no_mixture_of_its_outputs(name):
    shape, make = DEPTHWISE[name]
    layers = make(name="linear"), Coloring(name="norm")
    assert list(folded_kinds(shape, *layers)) == ["linear", "norm"]


@pytest.mark.parametrize("name", DEPTHWISE)
def test_groups_of_one_channel_are_diagonal(name):
    shape, make = DEPTHWISE[name]
    layers = make(name="linear"), checked.BatchWhitening(group_size=1)
    assert list(folded_kinds(shape, *layers)) == ["linear"]


@pytest.mark.parametrize("name", DEPTHWISE)
def test_a_depth_multiplier_makes_groups_of_the_outputs(name):
    shape, make = DEPTHWISE[name]
    layers = make(name="linear", depth_multiplier=2), checked.BatchWhitening(group_size=2)
    assert list(folded_kinds(shape, *layers)) == ["linear"]
    layers = make(name="linear", depth_multiplier=2), checked.BatchWhitening(group_size=4, name="n")
    assert list(folded_kinds(shape, *layers)) == ["linear", "n"]


# (group size of the map, whether a convolution of two groups takes it): of 12 outputs, 8 inputs.
@pytest.mark.parametrize(
    ("group_size", "taken"), [(1, True), (2, True), (3, True), (6, True), (4, False), (12, False)]
)
def test_a_grouped_convolution_after(group_size, taken):
    layers = [
        L.Conv2D(12, (3, 2), groups=2, name="linear"),
        checked.BatchWhitening(group_size=group_size, name="norm"),
    ]
    assert list(folded_kinds((6, 5, 8), *layers)) == ["linear"] + ["norm"] * (not taken)


@pytest.mark.parametrize(
    ("group_size", "taken"), [(1, True), (2, True), (4, True), (3, False), (8, False)]
)
def test_a_grouped_convolution_before(group_size, taken):
    layers = [
        checked.BatchWhitening(group_size=group_size, name="norm"),
        L.Conv1D(12, 3, groups=2, name="linear"),
    ]
    assert list(folded_kinds((6, 8), *layers)) == ["norm"] * (not taken) + ["linear"]


def test_a_bias_only_where_there_is_something_to_add():
    model = checked.model(
        (9, 8, 6),
        without_shift(),
        L.Conv2D(4, 3, padding="same", use_bias=False, name="plain"),
        L.ReLU(),
        L.Conv2D(4, 3, use_bias=False, name="shifted"),
        CenterScale(),
    )
    folded = checked.folded(checked.trained(model))
    assert not folded.get_layer("plain").use_bias
    assert folded.get_layer("shifted").use_bias


@pytest.mark.parametrize("make_norm", [checked.BatchNormalization, checked.BatchWhitening])
@pytest.mark.parametrize("first", [True, False])
def test_channels_first(make_norm, first):
    norm = make_norm(axis=1)
    linear = L.Conv2D(6, (3, 1), data_format="channels_first", name="linear")
    layers = [norm, linear] if first else [linear, norm]
    assert list(folded_kinds((6, 8, 5), *layers)) == ["linear"]


def test_channels_first_where_keras_takes_the_width_for_the_channels():
    # Keras adds a bias of 6 along a last axis of 6, so that there can be none.
    linear = L.Conv2D(6, (3, 1), use_bias=False, data_format="channels_first", name="linear")
    kinds = folded_kinds((6, 5, 6), linear, checked.BatchNormalization(axis=1, name="norm"))
    assert kinds == {"linear": "Conv2D", "norm": "CenterScale"}


def test_channels_first_where_keras_may_take_the_width_for_the_channels():
    linear = L.Conv2D(6, (3, 1), use_bias=False, data_format="channels_first", name="linear")
    norm = checked.BatchNormalization(axis=1, name="norm")
    assert folded_kinds((6, 5, None), linear, norm) == {"linear": "Conv2D", "norm": "CenterScale"}


@pytest.mark.parametrize(
    ("data_format", "shape", "axis"),
    [("channels_first", (6, 5, 7), -1), ("channels_last", (6, 5, 6), 1)],
)
def test_another_axis_than_the_channels(data_format, shape, axis):
    kinds = folded_kinds(
        shape,
        L.Conv2D(6, 1, data_format=data_format, name="a"),
        checked.BatchNormalization(axis=axis, name="norm"),
        L.Conv2D(6, 1, data_format=data_format, name="b"),
    )
    assert list(kinds) == ["a", "norm", "b"]


def test_dense_knows_the_last_axis_only():
    kinds = folded_kinds(
        (6, 6), L.Dense(6, name="a"), checked.BatchWhitening(axis=1, name="n"), L.Dense(3, name="b")
    )
    assert list(kinds) == ["a", "n", "b"]
    assert list(folded_kinds((6,), L.Dense(6, name="a"), checked.BatchWhitening(axis=1))) == ["a"]


# What an affine map becomes where no layer takes it: if there may be a mask, and if there is none.
STANDALONE = [
    ((6,), CenterScale, "Dense", "Dense"),
    ((6,), Coloring, "Dense", "Dense"),
    ((5, 6), CenterScale, "Dense", "Conv1D"),
    ((5, 6), Coloring, "Dense", "Conv1D"),
    ((5, 7, 6), CenterScale, "CenterScale", "DepthwiseConv2D"),
    ((5, 7, 6), Coloring, "Dense", "Conv2D"),
    ((None, None, 6), CenterScale, "CenterScale", "DepthwiseConv2D"),
    ((None, None, 6), Coloring, "Dense", "Conv2D"),
    ((3, 4, 5, 6), CenterScale, "CenterScale", "Conv3D"),
    ((3, 4, 5, 6), Coloring, "Dense", "Conv3D"),
]
# Each ends masks.
BEFORE = {
    1: L.Flatten,
    2: lambda: L.Conv1D(6, 1, activation="tanh"),
    3: lambda: L.Conv2D(6, 1, activation="tanh"),
    4: lambda: L.Conv3D(6, 1, activation="tanh"),
}


@pytest.mark.parametrize(("shape", "make", "kind", "unmasked_kind"), STANDALONE)
def test_standalone(shape, make, kind, unmasked_kind):
    assert folded_kinds(shape, make(name="norm")) == {"norm": kind}
    before = BEFORE[len(shape)]()
    assert folded_kinds(shape, before, make(name="norm"))["norm"] == unmasked_kind


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 7), (6, 3, 4, 5)])
@pytest.mark.parametrize(
    ("make", "kind"),
    [(checked.BatchNormalization, "CenterScale"), (checked.BatchWhitening, "Coloring")],
)
def test_standalone_with_the_channels_first(shape, make, kind):
    assert folded_kinds(shape, make(axis=1, name="norm")) == {"norm": kind}


def test_standalone_whatever_the_default_data_format():
    keras.config.set_image_data_format("channels_first")
    try:
        kinds = folded_kinds(
            (5, 7, 6),
            L.Conv2D(4, 3, activation="relu", data_format="channels_last"),
            checked.BatchWhitening(name="a"),
            L.ReLU(),
            CenterScale(),
        )
    finally:
        keras.config.set_image_data_format("channels_last")
    assert list(kinds.values()) == ["Conv2D", "Conv2D", "ReLU", "DepthwiseConv2D"]


@pytest.mark.parametrize("estimate", ["covariance", "matrix"])
@pytest.mark.parametrize("method", ["pca", "zca", "cd", "itn"])
@pytest.mark.parametrize("group_size", [None, 3])
def test_every_whitening(method, estimate, group_size):
    # Seven channels: two groups of three and a last group of one.
    norm = checked.BatchWhitening(method, group_size=group_size, estimate=estimate)
    assert list(folded_kinds((5, 4), L.Dense(7, name="linear"), norm)) == ["linear"]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("make", [checked.BatchNormalization, BatchWhitening, CenterScale])
def test_with_and_without_scale_and_shift(make, affine):
    norm = make(center=affine, scale=not affine)
    assert list(folded_kinds((4,), L.Dense(7, name="linear"), norm)) == ["linear"]


@renorm
def test_batch_renormalization():
    norm = checked.BatchNormalization(renorm=True, renorm_clipping={"rmax": 2.0}, name="norm")
    assert list(folded_kinds((4,), L.Dense(7, name="linear"), norm)) == ["linear"]


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("group_size", [None, 3])
def test_coloring(group_size, use_bias):
    norm = Coloring(group_size=group_size, use_bias=use_bias)
    assert list(folded_kinds((4,), L.Dense(7, name="linear"), norm)) == ["linear"]


def test_a_kernel_with_low_rank_updates_stays():
    model = checked.model((4,), L.Dense(7, name="linear"), checked.BatchNormalization(name="norm"))
    model.get_layer("linear").enable_lora(2)
    folded = checked.folded(checked.trained(model))
    assert list(checked.kinds(folded)) == ["linear", "norm"]
    assert len(folded.get_layer("linear").weights) == 4
