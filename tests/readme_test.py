"""Keeps README.md and the manuals true: the presets that they name exist."""

import fnmatch
import pathlib
import re

import pytest

import classify.presets
import gan.presets

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ("README.md", "docs/first_runs.md", "docs/train_gans.md", "docs/train_classifiers.md")
TEXT = "".join((ROOT / page).read_text("utf-8") for page in PAGES)
PRESETS = {"gan": gan.presets.PRESETS, "classify": classify.presets.PRESETS}


def spelled_out(pattern):
    """The names that `a{1,2}_b[_c]` stands for; `...` is a `*`, for any letters."""
    pattern = re.sub(r"\[(.*?)\]", r"{\1,}", pattern.replace("...", "*"))
    found = re.search(r"\{(.*?)\}", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [name for choice in found[1].split(",") for name in spelled_out(before + choice + after)]


def mentioned():
    """What has an underscore and begins as the names of presets do, wherever it stands."""
    beginnings = {re.match("[a-z]+", name)[0] for names in PRESETS.values() for name in names}
    words = re.findall(rf"\b(?:{'|'.join(sorted(beginnings))})[\w{{}}\[\],.]*", TEXT)
    return sorted({word.rstrip(",.") for word in words if "_" in word})


def test_patterns_are_spelled_out():
    expected = {"a1_b", "a2_b", "a1_b_c", "a2_b_c"}
    assert set(spelled_out("a{1,2}_b[_c]")) == expected
    assert spelled_out("a_{b,...,c}_d_...") == ["a_b_d_*", "a_*_d_*", "a_c_d_*"]


def test_mentions_are_found():
    assert {"large_dcgan_{bn,cd,zca,itn}", "cifar10_resnet_cwc_sa"} <= set(mentioned())


@pytest.mark.parametrize("pattern", mentioned())
def test_a_preset_that_is_mentioned_exists(pattern):
    names = [name for presets in PRESETS.values() for name in presets]
    assert [name for name in spelled_out(pattern) if not fnmatch.filter(names, name)] == []


@pytest.mark.parametrize("program", PRESETS)
def test_a_preset_that_is_called_exists(program):
    called = set(re.findall(rf"-m {program}\.train --preset=(\S+)", TEXT))
    assert "quickstart" in called
    assert called <= PRESETS[program].keys()
