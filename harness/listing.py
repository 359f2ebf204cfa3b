"""What programs a package has, in the words of their `--help`; loads no TensorFlow."""

import importlib
import pathlib
import re
import sys

from harness import program, versions

# What only a program does.
_RUNS = "program.run("


def main(package):
    """Lists the programs of a package; ends with exit code 1 if more was asked for than that.

    Args:
        package: the package, as a module.
    """
    program.open_output()
    if sys.argv[1:] == ["--version"]:
        print(versions.installed())
        return
    if set(sys.argv[1:]) - {"--help", "-h"}:
        names = ", ".join(f"{package.__name__}.{name}" for name in programs(package))
        given = " ".join(sys.argv[1:])
        print(f"error: The programs are python -m {names}. Received: {given}", file=sys.stderr)
        sys.exit(1)
    print(listing(package))


def programs(package):
    """The programs of a package by name, each with what it is for, in a sentence."""
    folder = pathlib.Path(package.__file__).parent
    names = [
        path.stem for path in sorted(folder.glob("[a-z]*.py")) if _RUNS in path.read_text("utf-8")
    ]
    return {name: _sentence(f"{package.__name__}.{name}") for name in names}


def listing(package):
    """The text that lists them."""
    found = programs(package)
    width = max(map(len, found))
    return "\n".join(
        [
            package.__doc__.strip(),
            "",
            *(f"  python -m {package.__name__}.{n:{width}}  {found[n]}" for n in found),
            "",
            "Each says with --help what its flags are.",
        ]
    )


def _sentence(module):
    """The first of the text above a program's flags."""
    usage = " ".join(importlib.import_module(module).USAGE.split())
    return re.match(r".*?\.(?= |$)", usage)[0]
