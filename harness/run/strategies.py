"""Where a program computes: one device, all devices of a machine, or several machines."""

import functools
import os

import tensorflow as tf

from harness.datasets.damage import reason
from harness.errors import UserError
from harness.run.cluster import read_cluster


# Once a process: the collective operations of a second strategy are numbered as those of the first,
# and fail where their shapes are others, as of the next network of a sweep.
@functools.cache
def _mirrored():
    # On a machine without GPUs MirroredStrategy takes one CPU, however many logical ones there are.
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker():
    cluster = read_cluster(os.environ)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        task = cluster.tasks[cluster.own]
        raise UserError(
            f"TensorFlow must be able to serve at the address of {task.name} in TF_CONFIG. "
            f"Received: {task.address}, {reason(error)}"
        ) from error


STRATEGIES = {
    "default": tf.distribute.get_strategy,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
}


def make_strategy(name):
    """The `tf.distribute` strategy called `name`, a key of `STRATEGIES`.

    "multi_worker" reads the cluster from the environment variable TF_CONFIG, as TensorFlow does.
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"`strategy` must be one of {list(STRATEGIES)}. Received: strategy={name!r}"
        )
    return STRATEGIES[name]()


def is_chief(strategy):
    """Whether this process is the one that writes."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "worker" and resolver.task_id == 0 and not has_chief


def agreement(strategy):
    """Makes `f(said) -> bool`: whether any of the processes that train together says so.

    With several processes, all have to ask, at the same point of their work.
    """
    if not _has_processes(strategy):
        return bool
    sum_over_replicas = _sum(strategy)
    return lambda said: sum_over_replicas(float(bool(said))) > 0


def check_same_step(strategy, step):
    """Raises `UserError` if processes that train together go on from different steps."""
    if _has_processes(strategy):
        mean = _sum(strategy)(float(step)) / strategy.num_replicas_in_sync
        if agreement(strategy)(mean != step):
            raise UserError(
                "All workers must go on from the same checkpoint: give them one --run_dir, on a "
                f"disk that they share. Received: this one goes on from step {step}, others do not"
            )


def _has_processes(strategy):
    resolver = strategy.cluster_resolver
    return resolver is not None and bool(resolver.task_type)


def _sum(strategy):
    """Makes `f(number) -> float`, the sum over replicas; all processes have to call it."""

    @tf.function(autograph=False)
    def sum_over_replicas(value):
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, (value,)), None
        )

    return lambda number: float(sum_over_replicas(tf.constant(number, tf.float64)))
