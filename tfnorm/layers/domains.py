"""What a layer needs to have statistics of each of several domains apart.

Nothing here is public.
"""

import typing
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfnorm import keras_internals
from tfnorm.functional import statistics
from tfnorm.functional.domains import with_row
from tfnorm.layers import base
from tfnorm.layers.arguments import check_positive


class StatisticsByDomain(base.BatchStatistics):
    """A layer with batch statistics that may have them for each domain, called with the domain.

    Args:
        domains: how many domains there are, or None for statistics that are nobody's.
        **kwargs: those of `BatchStatistics`.
    """

    def __init__(self, domains: int | None = None, **kwargs: typing.Any) -> None:
        super().__init__(**kwargs)
        self.domains = None if domains is None else check_positive("domains", domains)

    def __call__(self, inputs: typing.Any, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        if self.domains is not None and args:
            # Keras takes no number by its position.
            kwargs["domain"], args = args[0], args[1:]
        domain = kwargs.get("domain")
        self._check_domain(domain, inputs)
        if domain is not None and kwargs.get("mask") is None:
            # Keras hands on the mask that the inputs carry only where they are the one tensor.
            kwargs["mask"] = keras_internals.mask_of(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def _check_domain(self, domain: typing.Any, inputs: typing.Any) -> None:
        """Checks that there is a domain if and only if there are domains, its type and shape."""
        domains = self.domains
        if domains is None:
            if domain is not None:
                raise ValueError(
                    "A layer without `domains` is called without a domain. Received: "
                    f"domain={domain!r}"
                )
            return
        if domain is None:
            raise ValueError(
                f"A layer with domains={domains} must be called with the domain, "
                "`layer(x, domain)`: an integer, or one for each sample. Received: domain=None"
            )
        is_tensor = tf.is_tensor(domain) or isinstance(domain, keras.KerasTensor)
        given: typing.Any = domain if is_tensor else keras.ops.convert_to_numpy(domain)
        batch, shape = inputs.shape[0], tf.TensorShape(given.shape)
        fits = any(shape.is_compatible_with(one) for one in ([], [batch], [batch, 1]))
        dtype = tf.as_dtype(given.dtype)
        if not (fits and (dtype.is_integer or keras_internals.builds_model())):
            raise ValueError(
                "`domain` must be an integer, or integers (batch,) or (batch, 1), one for each "
                f"sample. Received: domain.dtype={dtype.name}, domain.shape={shape}, "
                f"inputs.shape={tf.TensorShape(inputs.shape)}"
            )
        if not is_tensor and not all(0 <= one < domains for one in given.ravel()):
            raise ValueError(f"`domain` must be in [0, {domains}). Received: domain={domain!r}")

    def domain_of_rows(self, domain: typing.Any, inputs: tf.Tensor) -> tf.Tensor:
        """Checks that domains are in range, and repeats those of samples for their positions.

        Returns:
            int32, () for a single domain, else (n,), for each row of `groups.to_rows(inputs)`.
        """
        assert self.domains is not None
        domain = tf.cast(domain, tf.int64)
        low, high = tf.reduce_min(domain), tf.reduce_max(domain)
        rule = f"`domain` must be in [0, {self.domains}). Received: domains from"
        is_known = (tf.size(domain) == 0) | ((low >= 0) & (high < self.domains))
        with tf.control_dependencies([tf.debugging.Assert(is_known, [rule, low, "to", high])]):
            domain = tf.cast(tf.clip_by_value(domain, -1, self.domains), tf.int32)
        if domain.shape.rank == 0:
            return domain
        sizes = tf.unstack(tf.shape(inputs))
        del sizes[self.axis]
        column = tf.reshape(domain, [sizes[0], *[1] * (len(sizes) - 1)])
        return tf.reshape(tf.broadcast_to(column, sizes), [-1])

    def by_domain(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of a statistic, with an axis of domains if there are any."""
        return shape if self.domains is None else (self.domains, *shape)

    def statistic(self, weight: keras.Variable, domain: tf.Tensor | int | None = None) -> tf.Tensor:
        """Returns a statistic as a tensor, or a domain's."""
        value = tf.convert_to_tensor(weight)
        return value if domain is None else tf.gather(value, domain)

    def follow(
        self,
        weights: Sequence[keras.Variable],
        values: Sequence[tf.Tensor],
        domain: tf.Tensor | int | None = None,
    ) -> None:
        """Moves each weight, or the part of it that is a domain's, towards this batch's value."""
        old = [self.statistic(weight, domain) for weight in weights]
        new = statistics.moving_average(old, values, self.momentum)
        for weight, value in zip(weights, new, strict=True):
            whole = value if domain is None else with_row(self.statistic(weight), domain, value)
            weight.assign(whole)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"domains": self.domains}


def has_domains(layer: object) -> typing.TypeGuard[StatisticsByDomain]:
    """Tells whether something is a layer that is called with a domain."""
    return isinstance(layer, StatisticsByDomain) and layer.domains is not None
