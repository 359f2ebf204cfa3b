"""Tells which versions of what a result was made with."""

import importlib
import platform


def versions(*names):
    """The versions of modules, and of "python", a dict by name."""
    return {
        name: platform.python_version()
        if name == "python"
        else importlib.import_module(name).__version__
        for name in names
    }
