"""Torch's batch normalization, where torch can be imported; it is nobody's requirement."""

import functools
import importlib
import os
import typing
from collections.abc import Callable

import tensorflow as tf

from tfnorm.benchmark import machine


def find_torch() -> typing.Any:
    """Imports torch, with as many threads as TensorFlow has; None where it cannot be imported.

    Its idle threads sleep: by default they go on looking for work for a while, on cores on which
    the next call is then timed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError):  # OSError: a library that it needs is not there
        return None
    torch.set_num_threads(machine.threads())
    return torch


class TorchBatchNorm:
    """Calls `torch.nn.BatchNorm2d` on images whose channels are last in memory.

    The sizes between batch and channels become one, as for the fused kernel. Moving averages follow
    the batch, as torch's layer does by default.
    """

    def __init__(self, torch: typing.Any, channels: int) -> None:
        self._torch = torch
        self._module = torch.nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

    def calls(self, x: tf.Tensor, dy: tf.Tensor) -> dict[str, Callable[[], typing.Any]]:
        """Makes the calls by kind: those of `kinds.KINDS` that torch has.

        Inference is a call of the module as it is, without gradients: it is not exported.
        """
        images, gradient = self._images(x), self._images(dy)
        return {
            "forward": functools.partial(self._forward, images, training=True),
            "forward_backward": functools.partial(self._forward_backward, images, gradient),
            "inference": functools.partial(self._forward, images, training=False),
        }

    def kept_bytes(self, x: tf.Tensor) -> int:
        """Counts the bytes that a training call saves for its gradient, without weights."""
        saved = {}

        def save(tensor: typing.Any) -> typing.Any:
            saved[tensor.data_ptr()] = tensor.nbytes
            return tensor

        images = self._images(x).requires_grad_()
        with self._torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            self._module.train()(images)
        weights = {weight.data_ptr() for weight in self._module.state_dict().values()}
        return sum(size for address, size in saved.items() if address not in weights)

    def _images(self, x: tf.Tensor) -> typing.Any:
        rows = self._torch.from_numpy(x.numpy().copy()).reshape(x.shape[0], -1, 1, x.shape[-1])
        return rows.permute(0, 3, 1, 2)

    def _forward(self, images: typing.Any, training: bool) -> typing.Any:
        with self._torch.no_grad():
            return self._module.train(training)(images)

    def _forward_backward(self, images: typing.Any, gradient: typing.Any) -> typing.Any:
        images = images.detach().requires_grad_()
        y = self._module.train()(images)
        inputs = [images, *self._module.parameters()]
        return y, self._torch.autograd.grad(y, inputs, gradient)
