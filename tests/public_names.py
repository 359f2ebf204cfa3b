"""The public names of tfnorm, read as text."""

import ast
import pathlib

from tests.sources import ROOT, imports_of

# Of `tfnorm.analysis`, what its modules share.
SHARED_MODULES = ("checks", "critics")
SHARED = {
    "check_model",
    "check_sampling",
    "chosen_estimators",
    "layer_tensors",
    "training_function",
}


def public_names() -> list[str]:
    """Dotted names of what there is to call: layers, functions, analysis.

    `__all__` says what tfnorm and tfnorm.functional have; of the modules of tfnorm.analysis it is
    the classes and functions without an underscore, but for `SHARED`.
    """
    names = []
    for package in ("tfnorm", "tfnorm.functional"):
        tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text("utf-8"))
        (exported,) = (
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        )
        names += [f"{package}.{name}" for name in exported if name != "functional"]
    for path in sorted((ROOT / "tfnorm/analysis").glob("[a-z]*.py")):
        if path.stem not in SHARED_MODULES:
            names += [f"tfnorm.analysis.{path.stem}.{name}" for name in _defined(path)]
    return names


def place_of(name: str) -> str:
    """Where a public name is defined, dotted, for who reads the sources only.

    Of `tfnorm.functional` some functions have the name of a module.
    """
    package, _, own = name.rpartition(".")
    if package != "tfnorm.functional":
        return name
    source = (ROOT / "tfnorm/functional/__init__.py").read_text("utf-8")
    found = imports_of(source, "tfnorm/functional/__init__.py")
    (module,) = (each.module for each in found if each.name == own)
    return f"{module}.{own}"


def _defined(path: pathlib.Path) -> list[str]:
    return [
        node.name
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and node.name not in SHARED
    ]
