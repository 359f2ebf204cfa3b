"""The project's Python files and what they import, read as text."""

import ast
import pathlib
import typing

ROOT = pathlib.Path(__file__).absolute().parents[1]
SOURCE_FOLDERS = ("tfnorm", "harness", "gan", "classify", "tests")


class Import(typing.NamedTuple):
    """`import module` (then `name` is ""), or one name of `from module import name`.

    `module` is absolute; `alias` is the name that the statement binds.
    """

    line: int
    module: str
    name: str
    alias: str

    def __str__(self) -> str:
        return f"from {self.module} import {self.name}" if self.name else f"import {self.module}"


def imports_of(source: str, path: str) -> list[Import]:
    """Every import in `source`, in the order of lines: lazy ones and those under TYPE_CHECKING too.

    `path` is the file's path from the root, with slashes: relative imports start from its folder.
    """
    found = []
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                found.append(Import(node.lineno, alias.name, "", bound))
        elif isinstance(node, ast.ImportFrom):
            folders = path.split("/")[: -node.level] if node.level else []
            module = ".".join(folders + ([node.module] if node.module else []))
            for alias in node.names:
                found.append(Import(node.lineno, module, alias.name, alias.asname or alias.name))
    return sorted(found)


class Sources:
    """The Python files below `root`, but not setup.py, and which of them an import reads."""

    def __init__(self, root: pathlib.Path):
        found = [path for folder in SOURCE_FOLDERS for path in (root / folder).rglob("*.py")]
        self.texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in found}
        self.imports = {path: imports_of(text, path) for path, text in self.texts.items()}

    def file_of(self, module: str) -> str | None:
        """The file of a dotted module or package; None when the project has no such module."""
        path = module.replace(".", "/")
        return next((f for f in (f"{path}/__init__.py", f"{path}.py") if f in self.texts), None)

    def imported_file(self, imported: Import) -> str | None:
        """The file of module.name where that is a module, else that of `module`.

        It is that of `module` too where a package binds to the name of one of its modules what it
        imports from that module: `from pkg.whiten import whiten` in pkg/__init__.py.
        """
        file = self.file_of(imported.module)
        submodule = self.file_of(f"{imported.module}.{imported.name}")
        rebound = any(
            other.alias == imported.name and not self.file_of(f"{other.module}.{other.name}")
            for other in self.imports.get(file, [])
        )
        return file if rebound else submodule or file


def write_tree(root: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """Writes files given as path -> text, and returns `root`."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root
