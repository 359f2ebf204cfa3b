"""Other values for some variables, for the time of a call."""

import collections.abc
import contextlib
import typing

import keras
import tensorflow as tf


class ReplacedValues(keras.StatelessScope):
    """A scope in which some variables have other values, and all others are what they are outside.

    Keras' own scope keeps every assignment to itself. Here only the replaced variables do: what is
    assigned to others (seeds, moving averages, counters, metrics) is assigned outside of the scope,
    at once, so that it happens inside of a branch, a loop or a replica as it would without the
    scope; and what is read of them is read there. Losses are collected in `losses`.

    Args:
        values: pairs of a variable and a tensor of its shape.
    """

    def __init__(self, values: collections.abc.Sequence[tuple[keras.Variable, tf.Tensor]]) -> None:
        super().__init__(state_mapping=values, collect_losses=True)

    def get_current_value(self, variable: keras.Variable) -> typing.Any:
        if id(variable) in self.state_mapping:
            return super().get_current_value(variable)
        with self._outside():
            return variable.value

    def add_update(self, update: tuple[keras.Variable, tf.Tensor]) -> None:
        variable, value = update
        if id(variable) in self.state_mapping:
            super().add_update(update)
        else:
            with self._outside():
                variable.assign(value)

    @contextlib.contextmanager
    def _outside(self) -> collections.abc.Iterator[None]:
        self.__exit__(None, None, None)
        try:
            yield
        finally:
            self.__enter__()
