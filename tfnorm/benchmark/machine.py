"""The machine that times are taken on."""

import os
import pathlib
import platform
import re
import typing

import keras
import tensorflow as tf


def cores() -> int:
    """Counts the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Counts the threads that an operation of TensorFlow may use."""
    return tf.config.threading.get_intra_op_parallelism_threads() or cores()


def describe(torch: typing.Any) -> dict[str, typing.Any]:
    """Describes processor, cores, devices and versions; of torch, None where it is not there."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "threads": threads(),
        "devices": [device.device_type for device in tf.config.list_physical_devices()],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "torch": torch and str(torch.__version__),
    }


def load_if_busy() -> float | None:
    """The load of the last minute if it is more than half the cores, None if the machine is idle.

    None too where there is no such figure.
    """
    if not hasattr(os, "getloadavg"):
        return None
    load = os.getloadavg()[0]
    return load if load > cores() / 2 else None


def _processor() -> str:
    information = pathlib.Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()
