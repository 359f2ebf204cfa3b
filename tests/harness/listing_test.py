"""What `python -m gan` and `python -m classify` say."""

import importlib
import re
import subprocess
import sys

import pytest

import classify
import gan
from harness import listing, versions
from tests.sources import ROOT

RUN = """
import runpy, sys

sys.argv[1:] = []
runpy.run_module("{package}", run_name="__main__", alter_sys=True)
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""


@pytest.mark.parametrize("package", [gan, classify], ids=lambda package: package.__name__)
def test_each_program_is_listed_with_the_first_sentence_of_its_help(package):
    text = listing.listing(package)
    listed = dict(re.findall(rf"^  python -m {package.__name__}\.(\w+) +(.*)$", text, re.M))
    folder = ROOT / package.__name__
    programs = {
        path.stem for path in folder.glob("*.py") if 'if __name__ == "__main__"' in path.read_text()
    }
    programs.discard("__main__")
    assert listed.keys() == programs >= {"train", "evaluate", "experiment"}
    for name, sentence in listed.items():
        usage = importlib.import_module(f"{package.__name__}.{name}").USAGE
        assert " ".join(usage.split()).startswith(sentence)
    assert all(sentence.endswith(".") and len(sentence) < 110 for sentence in listed.values())


def test_a_sentence_ends_where_the_first_one_does():
    assert listing.programs(gan)["evaluate"] == (
        "Measures images against images, prints a table and writes the numbers as JSON."
    )


def test_listing_loads_no_tensorflow():
    run = subprocess.run(
        [sys.executable, "-c", RUN.format(package="gan")], cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == listing.listing(gan) + "\n"


def test_a_package_tells_its_version_as_its_programs_do(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["gan", "--version"])
    monkeypatch.setattr(listing.program, "open_output", lambda: None)
    listing.main(gan)
    assert capfd.readouterr().out == versions.installed() + "\n"


def test_a_program_that_is_asked_for_otherwise_is_one_line(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["gan", "train"])
    monkeypatch.setattr(listing.program, "open_output", lambda: None)
    with pytest.raises(SystemExit) as ended:
        listing.main(gan)
    out, error = capfd.readouterr()
    assert (ended.value.code, out, error.count("\n")) == (1, "", 1)
    assert "gan.train" in error and error.endswith("Received: train\n")
