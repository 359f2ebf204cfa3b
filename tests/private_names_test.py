"""Private names of others are in two modules: Keras' in tfnorm/keras_internals.py, TensorFlow's."""

import ast
import pathlib

import pytest

from tests.sources import ROOT, Sources, write_tree

EXEMPT = ("tfnorm/keras_internals.py", "tfnorm/functional/compilation.py")
# What the documentation of Python has: of os, and of named tuples.
DOCUMENTED = {"_exit", "_asdict", "_field_defaults", "_fields", "_make", "_replace"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def names_defined(tree: ast.AST) -> set[str]:
    """The private names that a source defines: functions, classes, variables, and those of self."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names |= {node.attr} if ast.unparse(node.value) in ("self", "cls") else set()
    return set(filter(is_private, names))


def names_used(tree: ast.AST) -> list[tuple[int, str, str]]:
    """Private names that a source takes: the line, of what, and the name.

    They are attributes, also by `getattr` and its like, and modules of `import` and `from`.
    """
    uses = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            uses.append((node.lineno, ast.unparse(node.value), node.attr))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "getattr",
            "setattr",
            "hasattr",
            "delattr",
        ):
            owner, name, *_ = node.args
            if isinstance(name, ast.Constant):
                uses.append((node.lineno, ast.unparse(owner), name.value))
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            uses += [(node.lineno, node.module or ".", name) for name in names]
    return [use for use in uses if is_private(use[2])]


def is_of_keras_source(node: ast.AST) -> bool:
    """Tells whether a node imports `keras.src` or a part of it, or names it."""
    if isinstance(node, ast.Import):
        return any(f"{alias.name}.".startswith("keras.src.") for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        modules = (f"{node.module}.{alias.name}." for alias in node.names)
        return any(module.startswith("keras.src.") for module in modules)
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "keras.src"


def private_names(root: pathlib.Path) -> list[str]:
    """The private names of others in the package below `root`: one line for each.

    The package's own are those that one of its modules defines, taken of `self` or `cls`; of
    anything else only in the module that defines them.
    """
    texts = Sources(root).texts
    paths = [path for path in sorted(texts) if path.startswith("tfnorm/") and path not in EXEMPT]
    trees = {path: ast.parse(texts[path]) for path in paths}
    defined = {path: names_defined(tree) for path, tree in trees.items()}
    package_names = set().union(*defined.values())
    errors = []
    for path, tree in trees.items():
        for line, owner, name in names_used(tree):
            own = package_names if owner in ("self", "cls", "super()") else defined[path]
            if name not in own | DOCUMENTED:
                errors.append(f"{path}:{line}: {owner}.{name} is private")
        errors += [
            f"{path}:{node.lineno}: keras.src is private"
            for node in ast.walk(tree)
            if is_of_keras_source(node)
        ]
    return errors


def test_the_package_takes_no_private_name_of_others():
    errors = private_names(ROOT)
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("tensor._keras_history.operation", "tensor._keras_history is private"),
        ("model.layers[0]._inbound_nodes", "model.layers[0]._inbound_nodes is private"),
        ("model._functional = None", "model._functional is private"),
        ("getattr(x, '_keras_mask', None)", "x._keras_mask is private"),
        ("hasattr(x, '_keras_mask')", "x._keras_mask is private"),
        ("setattr(layer, '_output_shape', None)", "layer._output_shape is private"),
        ("class A:\n    def f(self):\n        return self._tracker", "self._tracker is private"),
        ("class A:\n    def f(self):\n        super()._tracker", "super()._tracker is private"),
        ("from numpy._core import multiarray", "numpy._core._core is private"),
        ("from keras.src.models import cloning", "keras.src is private"),
        ("from keras import src", "keras.src is private"),
        ("import keras.src.models", "keras.src is private"),
        ("import keras\nkeras.src.models", "keras.src is private"),
    ],
)
def test_a_private_name_is_seen(tmp_path, source, error):
    root = write_tree(tmp_path, {"tfnorm/part.py": source + "\n"})
    line = source.count("\n") + 1
    assert private_names(root) == [f"tfnorm/part.py:{line}: {error}"]


def test_names_of_ones_own_pass(tmp_path):
    tree = {
        "tfnorm/base.py": "class A:\n    def _make(self):\n        self._made = 1\n",
        "tfnorm/part.py": (
            "from tfnorm import base\n"
            "def _f(row):\n    return row._replace(name='')\n"
            "class B(base.A):\n"
            "    _count: int = 0\n"
            "    def __init__(self, other):\n"
            "        self._made = other._count + self._count\n"
            "        super()._make()\n"
        ),
        EXEMPT[0]: "def f(tensor):\n    return tensor._keras_history\n",
        "gan/part.py": "import gan\ngan.part._f\n",
    }
    assert private_names(write_tree(tmp_path, tree)) == []
