"""Where PCA and ZCA decompose: the devices that the traced graph asks for."""

import pytest
import tensorflow as tf

from tfnorm.functional import WHITENERS, batch_whitening, moving_matrices


def train(x, method, device):
    return batch_whitening(x, None, None, method=method, device=device)[0]


def infer(x, method, device):
    options = {"method": method, "epsilon": 1e-3, "iterations": 5, "device": device}
    return moving_matrices([tf.matmul(x, x, transpose_a=True)[tf.newaxis]], **options)


def requested_devices(function, method, device):
    """The device of each eigendecomposition in the graph; the graph is traced and not run."""
    graph = (
        tf.function(function)
        .get_concrete_function(tf.TensorSpec([None, 4]), method=method, device=device)
        .graph
    )
    return {node.device for node in graph.get_operations() if node.type == "SelfAdjointEigV2"}


@pytest.fixture
def a_gpu_in_sight(monkeypatch):
    seen = tf.config.list_physical_devices
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")

    def list_physical_devices(device_type=None):
        return [gpu] if device_type == "GPU" else seen(device_type)

    monkeypatch.setattr(tf.config, "list_physical_devices", list_physical_devices)


everywhere = pytest.mark.parametrize("function", [train, infer])
methods = pytest.mark.parametrize(
    "method", [method for method, row in WHITENERS.items() if row.decomposes]
)


@everywhere
@methods
@pytest.mark.parametrize("device, name", [("cpu", "/device:CPU:0"), ("gpu", "/device:GPU:0")])
def test_device_is_as_asked(function, method, device, name):
    assert requested_devices(function, method, device) == {name}


@everywhere
@methods
def test_no_device_without_a_gpu(function, method):
    assert requested_devices(function, method, None) == {""}


@everywhere
@methods
@pytest.mark.usefixtures("a_gpu_in_sight")
@pytest.mark.parametrize(
    "device, name", [(None, "/device:CPU:0"), ("cpu", "/device:CPU:0"), ("gpu", "/device:GPU:0")]
)
def test_the_cpu_is_preferred_to_a_gpu(function, method, device, name):
    assert requested_devices(function, method, device) == {name}


@everywhere
@pytest.mark.parametrize(
    "method", [method for method, row in WHITENERS.items() if not row.decomposes]
)
def test_other_methods_decompose_nothing(function, method):
    assert requested_devices(function, method, "gpu") == set()
