"""Reads which names a table of the code has, without importing the code.

A table, as `WHITENERS = {"pca": ..., "zca": ...}`, is the one list of what there is to choose. Most
tables are of functions that need TensorFlow, which takes seconds to load: for `--help`, and to
check a configuration, their names are read from the source.
"""

import ast
import functools
import pathlib
import sys
import typing

_ROOT = pathlib.Path(__file__).parents[1]


def names_in(module, table):
    """The names in a table: a tuple of strings.

    Args:
        module: the dotted name of a module of the project. If it is loaded the table is that of
            the module, with whatever was added to it.
        table: the name of a dict or a tuple there. In the source it must be a display whose keys,
            or whose items, are strings as they stand.
    """
    loaded = getattr(sys.modules.get(module), table, None)
    return tuple(loaded) if loaded is not None else _names_in_source(module, table)


class Table(typing.NamedTuple):
    """A table whose names are read when it is called: see `names_in`."""

    module: str
    table: str

    def __call__(self):
        return names_in(self.module, self.table)


@functools.cache
def _names_in_source(module, table):
    path = _ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for statement in ast.parse(path.read_text("utf-8"), path).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _target(statement) == table:
            value = statement.value
            entries = value.keys if isinstance(value, ast.Dict) else value.elts
            return tuple(ast.literal_eval(entry) for entry in entries)
    raise ValueError(f"`table` must be a table of {path}. Received: table={table!r}")


def _target(statement):
    """What an assignment assigns to, as it is written."""
    is_annotated = isinstance(statement, ast.AnnAssign)
    return ast.unparse(statement.target if is_annotated else statement.targets[0])
