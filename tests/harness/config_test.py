"""Configurations: what a field may be, and what both programs share."""

import dataclasses

import pytest

import classify.config
import gan.config
from harness.config import (
    GROUPS,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    SHARE_BELOW_1,
    Configuration,
    Data,
    Normalization,
    Run,
    again,
    at_least,
    between,
    option,
)

CONFIGS = gan.config.Config, classify.config.Config
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "passes", "fails"),
    [
        (at_least(2), [2, 10**9], [1, -3]),
        (between(2, 9), [2, 9], [1, 10, NAN]),
        # As float32 has them.
        (POSITIVE, [1e-37, 1, 3e38], [0, 1e-50, 1e39, -1, NAN, INFINITE]),
        (NOT_NEGATIVE, [0, 3e38], [-1e-9, 1e39, NAN, INFINITE]),
        (SHARE, [0, 0.5, 1], [-0.1, 1.1, NAN]),
        (SHARE_BELOW_1, [0, 0.999], [1, NAN, -1]),
        (SEED, [0, 2**31 - 1], [-1, 2**31]),
    ],
)
def test_a_check_is_its_rule(check, passes, fails):
    assert all(check.passes(value) for value in passes)
    assert not any(check.passes(value) for value in fails)


@dataclasses.dataclass(frozen=True)
class Part(Configuration):
    count: int | None = option(None, "Run", "Things.", check=at_least(1), free=True)
    rate: float = option(1.0, "Data", "A rate.", check=POSITIVE)
    kind: str = option("a", "Run", "A kind.", choices=lambda: ["a", "b"])
    flat: bool = option(False, "Run", "Whether flat.")


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("count", 0, "at least 1"),
        ("count", 1.0, "of type int or None"),
        ("count", True, "of type int or None"),
        ("count", "3", "of type int or None"),
        ("rate", 0, "from 1e-37 to 3e.38"),
        ("rate", None, "of type float"),
        ("rate", "fast", "of type float"),
        ("kind", "c", "one of .'a', 'b'."),
        ("kind", None, "of type str"),
        ("flat", 1, "of type bool"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused(name, value, rule):
    with pytest.raises(ValueError, match=f"^`{name}` must be {rule}. Received: {name}={value!r}$"):
        Part(**{name: value})
    with pytest.raises(ValueError, match=f"`{name}`"):
        dataclasses.replace(Part(), **{name: value})


def test_what_a_value_may_be():
    part = Part(count=None, rate=2, kind="b", flat=True)
    assert part.settings() == {"rate": 2, "count": None, "kind": "b", "flat": True}
    assert Part.free() == ("count",)


def test_another_default_keeps_the_rule():
    @dataclasses.dataclass(frozen=True)
    class Config(Part):
        count: int = again(Part, "count", 5, "More things.")

    assert Config().count == 5 and Part().count is None
    with pytest.raises(ValueError, match="`count` must be at least 1. Received: count=0"):
        Config(count=0)
    with pytest.raises(ValueError, match="`count` must be of type int. Received: count=None"):
        Config(count=None)
    (field,) = [field for field in Config.options() if field.name == "count"]
    assert field.metadata["help"] == "More things." and Config.free() == ("count",)


@pytest.mark.parametrize("config_class", CONFIGS)
def test_both_programs_are_made_of_the_same_parts(config_class):
    names = [field.name for field in config_class.options()]
    assert len(set(names)) == len(names)
    for part in (Data, Normalization, Run):
        assert issubclass(config_class, part)
        for field in part.options():
            own = config_class.__dataclass_fields__[field.name].metadata
            assert own["check"] == field.metadata["check"]
            assert own["free"] == field.metadata["free"]
            assert own["group"] == field.metadata["group"]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_fields_are_in_the_order_of_their_groups(config_class):
    groups = [field.metadata["group"] for field in config_class.options()]
    assert groups == sorted(groups, key=GROUPS.index)
    assert list(config_class().settings()) == [field.name for field in config_class.options()]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_workers_may_differ_in_what_is_free_but_not_in_when_they_save(config_class):
    config = config_class()
    common = config.settings().keys() - set(config.free()) | {"checkpoint_every"}
    assert config.common() == {name: config.settings()[name] for name in common}


@pytest.mark.parametrize("config_class", CONFIGS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("epsilon", value) for value in (-1, NAN, INFINITE)),
        *(("norm_momentum", value) for value in (7, -0.1, NAN)),
        *(("learning_rate", value) for value in (0, -1, NAN, INFINITE)),
        *((name, 0) for name in ("steps", "batch_size", "group_size", "iterations", "log_every")),
        *((name, 0) for name in ("eval_every", "checkpoint_every", "image_size")),
        *(("worker_timeout", value) for value in (0, -1, NAN, INFINITE)),
        *(("seed", value) for value in (-1, 2**31)),
        *((name, "other") for name in ("norm", "recovery", "estimate", "device", "strategy")),
    ],
)
def test_both_refuse_alike(config_class, name, value):
    with pytest.raises(ValueError, match=f"^`{name}` must be .* Received: {name}={value!r}$"):
        dataclasses.replace(config_class(), **{name: value})
