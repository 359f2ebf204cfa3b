"""Configurations: what there is to choose of a run, in the parts that both programs share.

A field is named once, with its default, its flag's group and help, its choices and its check. A
program's `Config` is made of the parts and has fields of its own.
"""

import dataclasses
import types
import typing

from harness import norm_names
from harness.tables import Table

# Headings of `--help`, in their order.
GROUPS = (
    "Data",
    "Network",
    "Networks",
    "Normalization",
    "Training",
    "Covariate shift",
    "Evaluation",
    "Export",
    "Run",
)


class Check(typing.NamedTuple):
    """A rule for a value: what it must be, in words, and whether one is so."""

    rule: str
    passes: typing.Callable[[typing.Any], bool]


class Needs(typing.NamedTuple):
    """What a flag needs to do anything.

    Attributes:
        flag: its name.
        fields: fields of a configuration, one of which must have one of the values.
        values: function to these values, or to the `Check` that one of the fields must pass.
        neutral: what the flag may be given as without them.
    """

    flag: str
    fields: tuple[str, ...]
    values: typing.Callable[[], typing.Sequence]
    neutral: tuple = ()


# Stands for a program's fields that are norms, in `Needs.fields`.
NORMS = ("norms",)


def at_least(least):
    """The rule for a number that is `least` or more."""
    return Check(f"at least {least}", lambda value: value >= least)


def between(least, most):
    """The rule for a number from `least` to `most`."""
    words = [
        f"{number:,}" if isinstance(number, int) else f"{number:g}" for number in (least, most)
    ]
    return Check(f"from {' to '.join(words)}", lambda value: least <= value <= most)


def numbers_of(kind, check):
    """The rule for the text of a number, int or float, that must pass a `Check`."""

    def passes(text):
        try:
            return check.passes(kind(text))
        except ValueError:
            return False

    what = "whole numbers" if kind is int else "numbers"
    return Check(f"{what} {check.rule}", passes)


# The bounds of numbers. No sensible use reaches the upper ones, and beyond them there is no such
# network, batch or float32, or no end: a mistake is to be told before anything is made.
COUNT = between(1, 1_000_000_000)  # of steps, also from one time to the next, and of images
BATCH = between(1, 1_000_000)
PIXELS = between(1, 8_192)
CHANNELS = between(1, 16_384)
LAYERS = between(1, 2_000)
ITERATIONS = between(1, 100)
TIMES = between(1, 1_000)
ROUNDS = between(1, 1_000_000)  # of measurements
NORM = Check("a norm, or one in groups of so many channels as zca-64", norm_names.is_norm)
EPOCHS = between(1e-6, 1e6)
POSITIVE = between(1e-37, 3e38)
NOT_NEGATIVE = between(0, 3e38)
SHARE = between(0, 1)
SHARE_BELOW_1 = Check("at least 0 and below 1", lambda value: 0 <= value < 1)
SEED = between(0, 2**31 - 1)


def option(default, group, help, *, choices=None, check=None, free=False, common=None):
    """A field of a configuration.

    Args:
        default: its value where nobody says otherwise.
        group: one of `GROUPS`, the heading of its flag in `--help`.
        help: what it is, with its unit.
        choices: the values that it may have, or a function that returns them; None is any.
        check: a `Check` that a value other than None must pass.
        free: whether it may differ from one start of a run to the next.
        common: whether it must be the same on all workers of a run; None: unless it is free.
    """
    metadata = {"group": group, "help": help, "choices": choices, "check": check}
    metadata |= {"free": free, "common": not free if common is None else common}
    return dataclasses.field(default=default, metadata=metadata)


def again(part, name, default, help=None):
    """A field of a part that has another default, or another help, in a program's `Config`."""
    metadata = dict(part.__dataclass_fields__[name].metadata)
    return dataclasses.field(default=default, metadata=metadata | ({"help": help} if help else {}))


def choices_of(field):
    """The values that a field may have, a tuple; None if any."""
    choices = field.metadata["choices"]
    return tuple(choices()) if callable(choices) else choices


def types_of(annotation):
    """The type that an annotation as `int | None` names, and whether None is allowed."""
    named = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else [annotation]
    (kind,) = [kind for kind in named if kind is not types.NoneType]
    return kind, types.NoneType in named


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Fields made by `option`, checked when they are set.

    Raises:
        ValueError: a value is of another type, none of the choices, or breaks its rule.
    """

    # `Needs` of a program's own fields, and which of its fields are norms.
    NEEDS = ()
    NORMS = ("norm",)

    def __post_init__(self):
        annotations = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            _check(field, annotations[field.name], getattr(self, field.name))

    @classmethod
    def options(cls):
        """The fields in the order of their groups."""
        return sorted(
            dataclasses.fields(cls), key=lambda field: GROUPS.index(field.metadata["group"])
        )

    @classmethod
    def free(cls):
        """The names of the fields that may differ from one start of a run to the next."""
        return tuple(field.name for field in cls.options() if field.metadata["free"])

    def common(self):
        """The values that all workers of a run must have alike, a dict by name."""
        fields = (field for field in self.options() if field.metadata["common"])
        return {field.name: getattr(self, field.name) for field in fields}

    def settings(self):
        """The values by name, a dict, as `config.json` has them."""
        return {field.name: getattr(self, field.name) for field in self.options()}


def _check(field, annotation, value):
    received = f"Received: {field.name}={value!r}"
    kind, optional = types_of(annotation)
    if value is None and optional:
        return
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    if not is_kind or (isinstance(value, bool) and kind is not bool):
        none = " or None" if optional else ""
        raise ValueError(f"`{field.name}` must be of type {kind.__name__}{none}. {received}")
    choices, check = choices_of(field), field.metadata["check"]
    if choices is not None and value not in choices:
        raise ValueError(f"`{field.name}` must be one of {list(choices)}. {received}")
    if check is not None and not check.passes(value):
        raise ValueError(f"`{field.name}` must be {check.rule}. {received}")


@dataclasses.dataclass(frozen=True)
class Data(Configuration):
    """Which images there are."""

    dataset: str = option(
        "cifar10",
        "Data",
        "Which images to use: digits, 1,797 small ones that come with the program; folder, your "
        "own image files as DATA_DIR/SPLIT/CLASS/*.jpg (splits and classes may be missing), or a "
        "zip of such a folder; array, your own in a .npy or .npz file, of uint8, or of floats, "
        "whose range is then named: array/0:1, array/-1:1 or array/0:255; else the name of a "
        "dataset that is in --data_dir, as cifar10 or mnist.",
    )
    data_dir: str | None = option(
        None,
        "Data",
        "Where the images are. For the name of a dataset: the folder that tensorflow-datasets has "
        "prepared, or that has the official files of CIFAR, MNIST, SVHN or STL-10; for folder, "
        "that folder or zip; for array, that file. digits need none.",
        free=True,
    )
    image_size: int | None = option(
        None,
        "Data",
        "Height and width, in pixels, that images are resized to, as 32; none: they keep the size "
        "that they are stored in, but digits become 32.",
        check=PIXELS,
    )


@dataclasses.dataclass(frozen=True)
class Normalization(Configuration):
    """What the normalizations of a network are made with: `harness.norms.norm_factory` takes it.

    What a norm has no use for is ignored by it.
    """

    norm: str = option(
        "itn",
        "Normalization",
        "What normalises the network's activations: none; bn, batch normalization; gn, group "
        "normalization; ln, layer normalization; unitization, bn and then a division of each "
        "sample by its norm; pca, zca, cd (Cholesky) or itn (Newton's iteration), which whiten: "
        "they make channels uncorrelated over the batch as well; gw, which whitens within each "
        "sample.",
        choices=norm_names.norms,
    )
    recovery: str = option(
        "scale_shift",
        "Normalization",
        "What is learned after each normalization, to give back what it took: none; scale_shift, a "
        "scale and a shift of each channel, as is usual; coloring, a matrix over the channels and "
        "a shift; factorized_coloring, the same of a few matrices that the classes mix. With "
        "--conditional each class has its own.",
        choices=norm_names.recoveries,
    )
    group_size: int | None = option(
        None,
        "Normalization",
        "How many channels are whitened together, as 16 or 64: more are whiter, cost more and need "
        "larger batches. For gn and gw: how many channels share their statistics; gw whitens its "
        "groups, of which a layer must have several. none: all channels of a layer, as in the "
        "papers; for gw 32 groups.",
        check=CHANNELS,
    )
    iterations: int = option(
        5,
        "Normalization",
        "For --norm=itn and gw: steps of Newton's iteration. More come closer to full whitening "
        "and cost more; 5 is usual.",
        check=ITERATIONS,
    )
    estimate: str = option(
        "covariance",
        "Normalization",
        "What whitening keeps a moving average of, to whiten with after training: covariance, the "
        "batches' covariances; matrix, their whitening matrices. docs/estimation.md compares them.",
        choices=norm_names.estimates,
    )
    epsilon: float = option(
        1e-3,
        "Normalization",
        "Small number added to variances, and to the diagonal of covariances, so that none is 0; "
        "1e-5 to 1e-3 is usual.",
        check=NOT_NEGATIVE,
    )
    norm_momentum: float = option(
        0.99,
        "Normalization",
        "How much of the old value the moving averages of means, variances and covariances keep at "
        "each step, from 0 to 1: 0.99 averages over some 100 steps, 0.9 over some 10. PyTorch's "
        "momentum is 1 minus this.",
        check=SHARE,
    )
    device: str | None = option(
        None,
        "Normalization",
        "Where pca and zca compute eigenvectors, cpu or gpu; none: on the CPU, even where there is "
        "a GPU, which is slow at many small matrices.",
        choices=("cpu", "gpu"),
    )
    alpha_constraint: str | None = option(
        None,
        "Normalization",
        "For --norm=unitization: what range the learned alpha, by how much samples are divided by "
        "their norm, is kept in: unit_interval, [0, 1], for which the paper's theorems hold; none: "
        "it may become any number.",
        choices=norm_names.alpha_constraints,
    )
    synchronized: bool = option(
        False,
        "Normalization",
        "Whether, with several devices, means and covariances are of the images of all devices "
        "together, and not of each device's own. With one device it is the same.",
    )


@dataclasses.dataclass(frozen=True)
class Run(Configuration):
    """How long it trains, where, and what it does beside."""

    steps: int | None = option(None, "Training", "How many updates the network gets.", check=COUNT)
    batch_size: int = option(
        128, "Training", "How many images are in a batch, over all devices together.", check=BATCH
    )
    learning_rate: float = option(
        0.05, "Training", "The optimizer's learning rate, at the start.", check=POSITIVE
    )
    seed: int = option(
        0,
        "Training",
        "Number that all chance follows from: initial weights, order of the data and the rest. "
        "Another seed is another try of the same.",
        check=SEED,
    )
    init_from: str | None = option(
        None,
        "Training",
        "Directory of another run whose weights to start with, if they fit; none: random weights.",
    )
    strategy: str = option(
        "default",
        "Run",
        "Where it computes: default, on one device; mirrored, on all GPUs of this machine; "
        "multi_worker, on the machines that the environment variable TF_CONFIG names, see "
        "docs/several_machines.md.",
        choices=Table("harness.run.strategies", "STRATEGIES"),
    )
    log_every: int = option(
        100,
        "Run",
        "Steps between two lines of losses, on the screen and in metrics.jsonl.",
        check=COUNT,
        free=True,
    )
    eval_every: int | None = option(
        None, "Run", "Steps between two evaluations.", check=COUNT, free=True
    )
    checkpoint_every: int = option(
        1_000,
        "Run",
        "Steps between two checkpoints. An interrupted run goes on from its last one; steps since "
        "are lost only if it is killed.",
        check=COUNT,
        free=True,
        common=True,  # All take part in writing one.
    )
    worker_timeout: float = option(
        300.0,
        "Run",
        "For --strategy=multi_worker: seconds to wait for a worker that has not started, or does "
        "not answer, before the others give up.",
        check=between(1, 1_000_000),
        free=True,
    )
    deterministic: bool = option(
        False,
        "Run",
        "Whether only operations may be used that give the same bits each time, so that a run can "
        "be repeated exactly; slower.",
    )
