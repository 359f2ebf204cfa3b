"""Runs pytest on the files given, and exits with its code: what a test target of Bazel runs.

With `bazel test --test_filter=NAME` these are the tests whose names contain NAME.
"""

import os
import sys

import pytest


def main(arguments: list[str]) -> int:
    """Runs pytest in this process and in others; returns its exit code."""
    # Others are children of this one, which find packages where it does.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    options = ["-p", "no:cacheprovider"]
    if "TESTBRIDGE_TEST_ONLY" in os.environ:
        options += ["-k", os.environ["TESTBRIDGE_TEST_ONLY"]]
    if "XML_OUTPUT_FILE" in os.environ:
        options.append(f"--junitxml={os.environ['XML_OUTPUT_FILE']}")
    return pytest.main([*options, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
