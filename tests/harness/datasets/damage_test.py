"""What a user is told of a file that cannot be read, in one line."""

import pytest
import tensorflow as tf

from harness.datasets.damage import reason


def failed_in_a_graph():
    """The error of a file that is not there, read in `tf.data`."""
    names = tf.data.Dataset.from_tensors("no/such/file").map(tf.io.read_file)
    try:
        next(iter(names))
    except tf.errors.NotFoundError as error:
        return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied", "a.bin"), "permission denied"),
        (tf.errors.PermissionDeniedError(None, None, "a.bin; Permission"), "permission denied"),
        (FileNotFoundError(2, "No such file or directory", "a.bin"), "No such file or directory"),
        (ValueError("two\n  lines"), "two lines"),
        (ValueError("wrong\nTraceback (most recent call last):\n  File"), "wrong"),
        (tf.errors.DataLossError(None, None, "{{node A}} lost [[{{node B}}]] [Op:C]"), "lost"),
        (failed_in_a_graph(), "no/such/file; No such file or directory"),
        (ValueError("x" * 300), "x" * 200),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_reason_is_one_line_without_the_nodes_of_graphs(error, told):
    assert reason(error) == told
