"""Tells which versions of what a result was made with."""

import importlib
import importlib.metadata
import pathlib
import platform
import re


def versions(*names):
    """The versions of modules, and of "python", a dict by name."""
    return {
        name: platform.python_version()
        if name == "python"
        else importlib.import_module(name).__version__
        for name in names
    }


def installed():
    """What `--version` prints, of the packages that are installed: none is imported."""
    source = pathlib.Path(__file__).parents[1].joinpath("tfnorm", "__init__.py").read_text("utf-8")
    own = re.search(r'^__version__ = "(.*)"$', source, re.MULTILINE)[1]
    others = []
    for name in ("tensorflow", "keras"):
        try:
            others.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            others.append(f"{name} is not installed")
    return ", ".join([f"tfnorm {own}", *others, f"python {platform.python_version()}"])
