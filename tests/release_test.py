"""The version is written once, and the files of a release have it."""

import re

import tfnorm
from tests.sources import ROOT


def test_changelog_and_citation_have_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## (\S+)$", changelog, re.MULTILINE)[1] == tfnorm.__version__
    assert f"\nversion: {tfnorm.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_every_public_name_is_in_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in tfnorm.__all__ if name not in readme] == []
