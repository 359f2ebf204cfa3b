"""Labels of the layers that take them: which are allowed, and what becomes of the others."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import descriptors

# What the domains of a `BatchWhitening` may be is tested in `domains_test.py`.
ROWS = [row for row in descriptors.ROWS if row.num_classes and "domain" not in row.name]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
LABELS = np.array([0, 1, 2, 0, 2, 2])


def layer_and_inputs(row):
    layer = descriptors.trained(row.make(), row)
    return layer, tf.constant(row.inputs(len(LABELS)))


@every_row
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("shape", [(6,), (6, 1)], ids=str)
def test_integers_of_any_size(row, dtype, shape):
    layer, x = layer_and_inputs(row)
    labels = LABELS.astype(dtype).reshape(shape)
    expected = layer(x, LABELS)
    np.testing.assert_array_equal(layer(x, labels), expected)
    np.testing.assert_array_equal(layer(x, labels=tf.constant(labels)), expected)


# No labels, and the received half of the message.
WRONG = {
    "floats": (LABELS.astype(np.float32), "labels.dtype=float32, labels.shape=(6,)"),
    "booleans": (LABELS > 0, "labels.dtype=bool, labels.shape=(6,)"),
    "one_hot": (np.eye(3, dtype=int)[LABELS], "labels.dtype=int64, labels.shape=(6, 3)"),
    "a_scalar": (np.int32(1), "labels.dtype=int32, labels.shape=()"),
    "one_of_many": (LABELS[:1], "labels.dtype=int64, labels.shape=(1,)"),
    "too_many": (np.tile(LABELS, 2), "labels.dtype=int64, labels.shape=(12,)"),
}


@every_row
@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_label(row, what):
    labels, received = WRONG[what]
    layer, x = layer_and_inputs(row)
    for function in (layer, tf.function(lambda x, labels: layer(x, labels))):
        with pytest.raises(ValueError) as caught:
            function(x, tf.constant(labels))
        assert f"Received: {received}, inputs.shape=(6, 3, 4, 5)" in str(caught.value)


@every_row
def test_what_is_no_label_where_a_model_is_made(row):
    for wrong in (keras.Input(()), keras.Input((2,), dtype="int32")):
        with pytest.raises(ValueError, match=f"Received: labels.dtype={wrong.dtype}"):
            row.make()(keras.Input(row.shape), wrong)


@every_row
def test_as_many_as_samples_where_a_graph_knows_no_sizes(row):
    layer, x = layer_and_inputs(row)
    signature = [tf.TensorSpec([None, *row.shape]), tf.TensorSpec(None, tf.int64)]
    function = tf.function(lambda x, labels: layer(x, labels), input_signature=signature)
    for labels in (LABELS, LABELS[:, np.newaxis]):
        np.testing.assert_allclose(function(x, labels), layer(x, labels), rtol=1e-5, atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        function(x, LABELS[:1])


# Labels out of range, and the smallest and the largest of them.
OUT_OF_RANGE = [
    (np.array([0, 1, 3, 2, 1, 1]), (0, 3)),
    (np.array([-1, 1, 2, 2, 1, 1]), (-1, 2)),
    # Not one that a cast to int32 would make a class.
    (np.array([1, 1, 1, 1, 1, 2**32]), (1, 2**32)),
]
out_of_range = pytest.mark.parametrize("labels, ends", OUT_OF_RANGE, ids=str)


def message(low, high):
    """Eager and in a graph, which put lines or brackets between its parts."""
    return rf"(?s)`labels` must be in \[0, 3\). Received: labels from\W+{low}\W+b?\W*to\W+{high}\b"


@every_row
@out_of_range
def test_out_of_range(row, labels, ends):
    layer, x = layer_and_inputs(row)
    for function in (layer, tf.function(lambda x, labels: layer(x, labels))):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message(*ends)):
            function(x, tf.constant(labels))


@every_row
@out_of_range
def test_out_of_range_under_xla_is_nan(row, labels, ends):
    layer, x = layer_and_inputs(row)
    y = tf.function(lambda x, labels: layer(x, labels), jit_compile=True)(x, tf.constant(labels))
    known = (labels >= 0) & (labels < row.num_classes)
    np.testing.assert_array_equal(
        np.isnan(y), np.broadcast_to(~known[:, None, None, None], y.shape)
    )


@every_row
def test_out_of_range_in_a_fit(row):
    model = row.model(row.make(), row.shape)
    # Keras compiles with XLA where there is a GPU, and XLA has no assertions.
    model.compile("sgd", "mse", jit_compile=False)
    x = row.inputs(len(LABELS))
    model.fit([x, LABELS], x, verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message(1, 3)):
        model.fit([x, LABELS + 1], x, verbose=0)


def test_out_of_range_in_a_saved_model(tmp_path):
    row = ROWS[0]
    model = row.model(row.make(), row.shape)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    inputs = [tf.constant(row.inputs(len(LABELS))), tf.constant(LABELS, tf.int32)]
    np.testing.assert_allclose(loaded.serve(inputs), model(inputs), rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message(-1, 1)):
        loaded.serve([inputs[0], inputs[1] - 1])
