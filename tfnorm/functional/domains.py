"""Statistics by domain: rows of several domains, each by its own."""

from collections.abc import Callable

import tensorflow as tf

from tfnorm.functional.compilation import is_compiling


def for_each_domain(
    function: Callable[..., tf.Tensor],
    rows: tf.Tensor,
    weights: tf.Tensor | None,
    domain: tf.Tensor,
    domains: int,
) -> tf.Tensor:
    """Applies a function to the rows of each domain apart.

    Args:
        function: `function(rows, weights, domain=domain)` of rows (n, channels) and weights (n,) or
            None, as `batch_whitening` takes them, returns rows. Of several domains it is called
            once for each with all rows, those of other domains zero and of weight zero: the sizes
            do not depend on how many a domain has, as XLA asks.
        rows: (n, channels).
        weights: (n,), or None for ones.
        domain: an integer, the domain of all rows, or (n,), that of each row.
        domains: how many there are.

    Returns:
        (n, channels): of each row what the call of its domain has for it. NaN under XLA, where no
        assertion stops it, for a domain that is none.
    """
    if domain.shape.rank == 0:
        y = function(rows, weights, domain=domain)
        if not is_compiling():
            return y
        return tf.where((domain >= 0) & (domain < domains), y, float("nan"))
    y = tf.fill(tf.shape(rows), tf.constant(float("nan"), rows.dtype))
    for one in range(domains):
        counts = domain == one
        is_its = counts[:, tf.newaxis]
        share = tf.cast(counts, rows.dtype)
        share = share if weights is None else share * weights
        y = tf.where(is_its, function(tf.where(is_its, rows, 0.0), share, domain=one), y)
    return y


def with_row(values: tf.Tensor, domain: tf.Tensor | int, row: tf.Tensor) -> tf.Tensor:
    """Puts a row (...) into the place of a domain among values (domains, ...).

    A domain that is none changes nothing.
    """
    is_its = tf.range(values.shape[0]) == tf.cast(domain, tf.int32)
    shape = [values.shape[0], *[1] * row.shape.rank]
    return tf.where(tf.reshape(is_its, shape), row, values)
