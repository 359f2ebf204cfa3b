"""Requests: what flags override, and what the paper's request keeps of them."""

import dataclasses

import pytest
from absl import flags as absl_flags

from harness import help_page
from harness.experiments import flags
from harness.experiments.experiment import Experiment, Flag


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float = 1.0


EXPERIMENT = Experiment(
    name="test",
    summary="",
    flags=(Flag("norms", "", is_list=True), Flag("loss", ""), Flag("rounds", "", int)),
    fields=("rate", "size"),
    jobs=None,
    carry_out=None,
    product="",
    describe=None,
    report=None,
    paper_takes=("loss",),
)


def test_a_request_overrides_the_fields_that_a_configuration_has():
    request = EXPERIMENT.request(overrides={"rate": 2.0, "size": 7})
    assert request.override(Config()) == Config(2.0)
    assert (request.norms, request.loss, request.rounds) == (None, None, None)


def test_the_papers_requests_are_of_the_same_jobs_and_of_all():
    request = EXPERIMENT.request("small", {"rate": 2.0}, norms=["bn"], loss="hinge", rounds=3)
    same, everything = request.papers()
    assert (same.scale, same.norms, same.loss, same.rounds) == ("paper", ["bn"], "hinge", None)
    assert same.override(Config()) == Config()
    assert (everything.norms, everything.loss) == (None, "hinge")


def test_a_flag_that_it_does_not_have_is_refused():
    with pytest.raises(TypeError, match="Received: .'speed'."):
        EXPERIMENT.request(speed=1)


def test_two_experiments_share_a_flag_or_it_is_refused(monkeypatch):
    monkeypatch.setattr(absl_flags, "FLAGS", absl_flags.FlagValues())
    monkeypatch.setattr(help_page, "_groups", {})
    other = dataclasses.replace(EXPERIMENT, name="other", flags=(Flag("norms", "Others."),))
    with pytest.raises(ValueError, match="Received: norms of other"):
        flags.define([EXPERIMENT, other], Config)
