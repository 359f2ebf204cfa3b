"""Requests: what flags override, and what the paper's request keeps of them."""

import dataclasses

import pytest
from absl import flags as absl_flags

from harness import help_page
from harness.errors import UserError
from harness.experiments import flags
from harness.experiments.experiment import Experiment, Flag, Job
from harness.experiments.perform import perform


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


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("said", "rates"),
    [
        ("rate=0.1234567 and rate=0.1234568, both r_0.123457$", {"": 0.1234567, " ": 0.1234568}),
        ("must be asked for once. Received: r_0.5, s_0.5$", {"r": 0.5, "s": 0.5}),
        ("must be asked for once. Received: r_0.5, r_0.5$", {"r": 0.5, "r ": 0.5}),
    ],
)
def test_runs_that_their_directories_do_not_tell_apart_are_refused(tmp_path, said, rates, dry_run):
    jobs = [Job(f"{kind.strip() or 'r'}_{rate:g}", Config(rate)) for kind, rate in rates.items()]
    experiment = dataclasses.replace(EXPERIMENT, jobs=lambda request: jobs)
    out = tmp_path / "out"
    with pytest.raises(UserError, match=said):
        perform(experiment.request(), flags.Given(str(out), None, dry_run, "program"))
    assert not out.exists()
