"""Configurations: what there is to choose of a run, in the parts that both programs share.

A field is named once, with its default, its flag's group and help, its choices and its check. A
program's `Config` is made of the parts and has fields of its own.
"""

import dataclasses
import math
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


def at_least(least):
    """The rule for a number that is `least` or more."""
    return Check(f"at least {least}", lambda value: value >= least)


POSITIVE = Check("positive and finite", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Check("finite and not negative", lambda value: 0 <= value < math.inf)
SHARE = Check("in [0, 1]", lambda value: 0 <= value <= 1)
SHARE_BELOW_1 = Check("in [0, 1)", lambda value: 0 <= value < 1)
SEED = Check("in [0, 2^31)", lambda value: 0 <= value < 2**31)


def option(default, group, help, *, choices=None, check=None, free=False):
    """A field of a configuration.

    Args:
        default: its value where nobody says otherwise.
        group: one of `GROUPS`, the heading of its flag in `--help`.
        help: what it is, with its unit.
        choices: the values that it may have, or a function that returns them; None is any.
        check: a `Check` that a value other than None must pass.
        free: whether it may differ from one start of a run to the next.
    """
    metadata = {"group": group, "help": help, "choices": choices, "check": check, "free": free}
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
        "digits (embedded), folder (DATA_DIR/SPLIT/CLASS/*.jpg, of which splits and classes may be "
        "missing), or a dataset as cifar10, mnist.",
    )
    data_dir: str | None = option(
        None,
        "Data",
        "Directory with data prepared by tensorflow-datasets, with the official files of CIFAR or "
        "MNIST, or with the folders of splits; digits need none.",
        free=True,
    )
    image_size: int | None = option(
        None,
        "Data",
        "Height and width of images, in pixels; none: as they are stored, and 32 of digits.",
        check=at_least(1),
    )


@dataclasses.dataclass(frozen=True)
class Normalization(Configuration):
    """What the normalizations of a network are made with: `harness.norms.norm_factory` takes it.

    What a norm has no use for is ignored by it.
    """

    norm: str = option(
        "itn", "Normalization", "The network's normalization.", choices=norm_names.norms
    )
    recovery: str = option(
        "scale_shift",
        "Normalization",
        "What follows the normalization: gamma and beta, or a matrix; with classes, theirs.",
        choices=norm_names.recoveries,
    )
    group_size: int | None = option(
        None,
        "Normalization",
        "Channels in a group, for whitening, gn and gw; none: all of a layer, as in the papers; of "
        "gw 32 groups.",
        check=at_least(1),
    )
    iterations: int = option(
        5, "Normalization", "Steps of Newton's iteration, for itn and gw.", check=at_least(1)
    )
    estimate: str = option(
        "covariance",
        "Normalization",
        "What the moving average follows, for whitening.",
        choices=norm_names.estimates,
    )
    epsilon: float = option(
        1e-3, "Normalization", "Added to variances and covariances.", check=NOT_NEGATIVE
    )
    norm_momentum: float = option(
        0.99,
        "Normalization",
        "Weight of the old value in moving averages, in [0, 1].",
        check=SHARE,
    )
    device: str | None = option(
        None,
        "Normalization",
        "Where pca and zca decompose; none: the CPU if there is a GPU.",
        choices=("cpu", "gpu"),
    )
    synchronized: bool = option(
        False, "Normalization", "Whether batch statistics are those of all replicas together."
    )


@dataclasses.dataclass(frozen=True)
class Run(Configuration):
    """How long it trains, where, and what it does beside."""

    steps: int | None = option(None, "Training", "Updates of the network.", check=at_least(1))
    batch_size: int = option(
        128, "Training", "Images in a batch, over all replicas.", check=at_least(1)
    )
    learning_rate: float = option(
        0.05, "Training", "The optimizer's, at the start.", check=POSITIVE
    )
    seed: int = option(
        0, "Training", "Of initial weights, data order and other random numbers.", check=SEED
    )
    init_from: str | None = option(
        None,
        "Training",
        "Directory of a run whose weights to start with, if its networks fit; none: random ones.",
    )
    strategy: str = option(
        "default",
        "Run",
        "tf.distribute: one device, all of this machine, or TF_CONFIG's machines.",
        choices=Table("harness.run.strategies", "STRATEGIES"),
    )
    log_every: int = option(
        100, "Run", "Steps from one line of losses to the next.", check=at_least(1), free=True
    )
    eval_every: int | None = option(
        None, "Run", "Steps from one evaluation to the next.", check=at_least(1), free=True
    )
    checkpoint_every: int = option(
        1_000, "Run", "Steps from one checkpoint to the next.", check=at_least(1), free=True
    )
    deterministic: bool = option(
        False, "Run", "Whether to allow only operations that give the same bits each time; slower."
    )
