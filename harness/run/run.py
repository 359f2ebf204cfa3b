"""A run: from a configuration to a directory with all that came of it."""

import abc
import os
import shutil
import warnings

import keras
import tensorflow as tf

from harness.datasets.identity import identity
from harness.errors import UserError
from harness.networks import describe_networks
from harness.run import checkpoints
from harness.run.cluster import read_cluster
from harness.run.directory import RunDirectory
from harness.run.session import Session
from harness.run.strategies import is_chief, make_strategy
from harness.run.workers import Alone, Workers
from harness.versions import versions


class Run(abc.ABC):
    """A run of a program. How it goes is the same in all; a program's `Run` says of what.

    Args:
        config: the program's `Config`.
        path: the directory of the run; None is for one that is only shown.
        strategy: a `tf.distribute` strategy; None is the configuration's.

    Attributes:
        config, strategy: as given.
        directory: a `RunDirectory`, of which the chief alone writes.
        workers: the `Workers` that train together, of which this process is one, or `Alone`.
        parts: what it is made of, from `prepare` on, the trainer among them.
        session: as it goes on, a `Session`, from the first step of this process on.
    """

    # What a complete run may have in its directory; the last is of all runs, and written last.
    products = ()
    # Checkpoints that are kept; None: all.
    keep = 2
    # Settings of how long it is.
    lengths = ("steps",)

    def __init__(self, config, path=None, strategy=None):
        self.config = config
        self.workers = Alone()
        self._replicas = None
        if strategy is None and config.strategy == "multi_worker":
            cluster = read_cluster(os.environ)
            if path is None:  # To be shown it needs no other.
                strategy = make_strategy("default")
                self._replicas = len(cluster.tasks) * max(1, _gpus())
            else:
                self.workers = Workers(cluster, config.worker_timeout)
                self.workers.meet(self.common_facts())
        self.strategy = make_strategy(config.strategy) if strategy is None else strategy
        self.directory = None if path is None else RunDirectory(path, is_chief(self.strategy))
        self.parts = None
        self.session = None

    def train(self, lengthen=False):
        """Trains from the start, or from the last checkpoint, to the end.

        Args:
            lengthen: whether a run that is complete goes on where it is to be longer.

        Raises:
            UserError: the run cannot begin, was interrupted, or has lost a worker.
            Diverged: its numbers are not finite.
        """
        with self.workers:
            self._train(lengthen)

    def _train(self, lengthen):
        config, directory = self.config, self.directory
        self.workers.advice = self._advice
        settings, free = config.settings(), config.free()
        complete = all((directory / name).exists() for name in self.asked_products())
        others = directory.differing(settings, free)
        longer = lengthen and self._ended() and bool(others) and others <= set(self.lengths)
        may_differ = (*free, *self.lengths) if longer else free
        directory.check(settings, may_differ)
        if complete and not longer:
            print(f"The run in {directory.path} is complete, see {self.products[-1]}/.")
            return
        self._check_device()
        self.prepare()
        with directory.locked():
            self.session = Session(
                directory,
                self.parts.trainer,
                self.steps,
                self.keep,
                any((directory / name).exists() for name in self.products),
                **self.kept_state(),
            )
            first = self.session.first
            if longer and first >= self.steps:
                directory.check(settings, free)
            if config.init_from is not None and not first:
                self.start_from(config.init_from)
            batches, actions = self.batches(), self.actions()
            if longer and directory.writes:
                self._set_aside()
            directory.begin(settings, may_differ)
            self.begin()
            if longer and directory.writes:
                print(
                    f"The run was complete at step {first}, and goes on to step {self.steps}. The "
                    f"learning rate follows the schedule of {self.steps} steps, where it is "
                    f"{self.parts.trainer.learning_rate:.3g} now: what comes is not what a run "
                    "of that length comes to."
                )
            self.workers.say(f"trains from step {self.session.first} of {self.steps}.")
            self.session.run(batches, actions, config.log_every, config.checkpoint_every)
            self.workers.say(f"is done at step {self.steps}; the chief writes what came of it.")
            self.workers.done()
            if directory.writes:
                self.finish()

    def asked_products(self):
        """Those of `products` that the configuration asks for."""
        return self.products

    def _check_device(self):
        """Refuses a device that is not there: TensorFlow would take another without a word.

        A run that has begun may go on, elsewhere.
        """
        if (
            self.config.device == "gpu"
            and not _gpus()
            and not (self.directory / "config.json").exists()
        ):
            raise UserError(
                "--device=gpu must be on a machine with a GPU that TensorFlow sees. "
                "Received: device=gpu, and no GPU"
            )

    def _set_aside(self):
        """Keeps products of a complete run that goes on, and what was measured, by their step."""
        for name in reversed(self.products):  # The last says that a run is complete.
            product, kept = self.directory / name, self._aside(name, self.session.first)
            if not product.exists():  # It is kept: a run was killed here.
                continue
            if kept.exists():
                shutil.rmtree(kept)
            product.rename(kept)
            print(f"{name}/ is kept as {kept.name}/.")
        self.directory.set_evaluations_aside(self.session.first)

    def _ended(self):
        """Whether the run is complete, or was when it was killed while this was set aside."""
        step, name = checkpoints.last_written(self.directory / "checkpoints"), self.products[-1]
        return (self.directory / name).exists() or self._aside(name, step).exists()

    def _aside(self, name, step):
        return self.directory / f"{name}-{step}"

    def start_from(self, run_dir):
        """Gives the networks the weights of another run; raises `UserError` if they do not fit."""
        raise UserError(f"This run starts anew. Received: init_from={run_dir}")

    def common_facts(self):
        """What must be the same on all workers before they begin, a dict by name."""
        program = type(self.config).__module__.split(".")[0]
        made_with = versions("tfnorm", "tensorflow", "keras")
        return {"program": program, **self.config.common(), **made_with, "GPUs": _gpus()}

    def compare_data(self, training, test):
        """Compares the images of all workers, before networks are made of their shapes.

        Raises:
            UserError: they differ.
        """
        if isinstance(self.workers, Workers):
            self.workers.compare(identity(train=training, test=test))

    def _advice(self):
        """What to do where a worker is lost, in words."""
        step = checkpoints.last_written(self.directory / "checkpoints")
        there = f", the last checkpoint in {self.directory.path}" if step else ""
        return (
            f"The same command on all workers goes on from step {step}{there}; fewer workers may "
            "go on, too, by a TF_CONFIG that names those."
        )

    @property
    def steps(self):
        """Steps in all."""
        return self.config.steps

    def seed(self):
        """Sets what random numbers follow from, before networks are made."""
        if self.config.deterministic:
            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(self.config.seed)

    @abc.abstractmethod
    def prepare(self):
        """Sets `parts`, all that it needs, so that a mistake costs nothing; raises `UserError`."""

    def begin(self):
        """Does what is to be done between `config.json` and the first step."""
        if self.directory.writes:
            self.show(self.parts.trainer)

    def show(self, trainer):
        """Prints the configuration, and each network's size and normalizations."""
        print(_described(self.config))
        # Said here of all layers at once: a layer need not say it in the first step.
        said = ".* whitens (groups of|\\d+ groups by|nothing:) "
        warnings.filterwarnings("ignore", said, UserWarning)
        replicas = self._replicas or self.strategy.num_replicas_in_sync
        replicas = 1 if self.config.synchronized else replicas
        print(describe_networks(trainer.models, self.config.batch_size // replicas))

    def kept_state(self):
        """What a checkpoint has to keep beside the trainer's state, by name."""
        return {}

    @abc.abstractmethod
    def batches(self):
        """An iterator of what a step takes, from the session's first step on."""

    @abc.abstractmethod
    def actions(self):
        """What is done beside the steps: a list of (period in steps, `f(step, logs)`)."""

    @abc.abstractmethod
    def finish(self):
        """Writes the products."""


def _gpus():
    return len(tf.config.list_physical_devices("GPU"))


def _described(config):
    """A configuration as text: `name: value` in the groups of `--help`.

    Behind what a preset or a flag has changed there is a note, which begins with #.
    """
    lines, group, defaults = [], None, type(config)()
    for field in config.options():
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines.append(f"# {group}")
        value, default = getattr(config, field.name), getattr(defaults, field.name)
        lines.append(f"{field.name}: {value}" + f"  # changed from {default}" * (value != default))
    return "\n".join(lines)
