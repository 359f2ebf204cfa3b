"""Keeps BUILD true: each source in one target, each import across targets declared, no cycle."""

import ast
import collections
import graphlib
import pathlib
import typing

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE_FOLDERS = ("tfnorm", "gan", "classify", "tests")
TARGET_RULES = ("py_binary", "py_library", "py_test")
OTHER_RULES = ("load", "package")


class Target(typing.NamedTuple):
    """One rule of BUILD; `deps` are target names without the colon, `data` files or ":name"."""

    name: str
    srcs: list[str]
    deps: list[str]
    data: list[str]
    main: str | None


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


def parse_build(text: str) -> list[Target]:
    """The targets of a BUILD file, whose attributes must be literals."""
    targets = []
    for statement in ast.parse(text, "BUILD").body:
        call = getattr(statement, "value", None)
        rule = ast.unparse(call.func if isinstance(call, ast.Call) else statement)
        if rule not in TARGET_RULES + OTHER_RULES:
            raise ValueError(
                f"BUILD:{statement.lineno}: a rule is one of {TARGET_RULES + OTHER_RULES}. "
                f"Received: rule={rule}"
            )
        if rule in TARGET_RULES:
            given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
            default_main = None if rule == "py_library" else f"{given['name']}.py"
            targets.append(
                Target(
                    name=given["name"],
                    srcs=given.get("srcs", []),
                    deps=[dep.removeprefix(":") for dep in given.get("deps", [])],
                    data=given.get("data", []),
                    main=given.get("main", default_main),
                )
            )
    return targets


def build_errors(text: str, root: pathlib.Path) -> list[str]:
    """What is wrong with the BUILD `text` for the sources below `root`; empty when all is well."""
    targets = parse_build(text)
    sources = Sources(root)
    return [
        *target_errors(targets, root),
        *owner_errors(targets, sources),
        *dependency_errors(targets, sources),
        *cycle_errors(targets),
    ]


def target_errors(targets: list[Target], root: pathlib.Path) -> typing.Iterator[str]:
    """Names given twice, and files, targets and main programs that do not exist."""
    count = collections.Counter(target.name for target in targets)
    yield from (f"BUILD: {n} targets are named {name!r}" for name, n in count.items() if n > 1)
    for target in targets:
        where = f"BUILD: target {target.name!r}"
        for kind, files in (("srcs", target.srcs), ("data", target.data)):
            for file in files:
                if not file.startswith(":") and not (root / file).is_file():
                    yield f"{where}: {kind} names {file!r}, which is no file"
        for kind, labels in (("deps", target.deps), ("data", labels_in(target.data))):
            for label in labels:
                if label not in count:
                    yield f"{where}: {kind} names ':{label}', which is no target"
        if target.main is not None and target.main not in target.srcs:
            yield f"{where}: main is {target.main!r}, which is not in srcs"


def labels_in(data: list[str]) -> list[str]:
    """The targets among the files of a `data` attribute, without the colon."""
    return [entry.removeprefix(":") for entry in data if entry.startswith(":")]


def owner_errors(targets: list[Target], sources: Sources) -> typing.Iterator[str]:
    """Sources in no target, or in several."""
    owner = {path: f":{target.name}" for target in targets for path in target.srcs}
    for path in sorted(sources.texts):
        owners = [target.name for target in targets if path in target.srcs]
        if not owners:
            files = {sources.imported_file(imported) for imported in sources.imports[path]}
            deps = sorted(owner.get(file, file) for file in files - {None, path})
            yield f"{path}: is in the srcs of no target; one that has it needs the deps {deps}"
        if len(owners) > 1:
            yield f"{path}: is in the srcs of {len(owners)} targets: {owners}"


def dependency_errors(targets: list[Target], sources: Sources) -> typing.Iterator[str]:
    """Imports that reach a target not in `deps`, and deps that no import reaches."""
    owners = {path: target.name for target in targets for path in target.srcs}
    for target in targets:
        used = {target.name}
        for path in target.srcs:
            for imported in sources.imports.get(path, []):
                file = sources.imported_file(imported)
                if file is None and imported.module.split(".")[0] in SOURCE_FOLDERS:
                    yield f"{path}:{imported.line}: `{imported}` names no module of the project"
                owner = owners.get(file)
                if owner and owner not in used | set(target.deps):
                    yield (
                        f"{path}:{imported.line}: `{imported}` needs ':{owner}' in the deps of "
                        f"target {target.name!r}"
                    )
                used |= {owner}
        for dep in target.deps:
            if dep not in used:
                yield f"BUILD: target {target.name!r}: no import uses the dep ':{dep}'"


def cycle_errors(targets: list[Target]) -> typing.Iterator[str]:
    """One cycle of deps and data, if there is one."""
    graph = {target.name: target.deps + labels_in(target.data) for target in targets}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"BUILD: the targets depend on each other in a cycle: {' -> '.join(error.args[1])}"


def test_build_matches_the_sources():
    errors = build_errors((ROOT / "BUILD").read_text("utf-8"), ROOT)
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)


# The checker itself, on trees of a few files.


def write_tree(root: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """Writes files given as path -> text, and returns `root`."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def library(name: str, srcs=(), deps=(), data=()) -> str:
    """The text of a py_library target."""
    return f"py_library(name={name!r}, srcs={[*srcs]}, deps={[*deps]}, data={[*data]})\n"


LOW = library("low", ["tfnorm/low.py"])
SOUND_TREE = {
    "tfnorm/low.py": "import os\n",
    "gan/high.py": "from tfnorm import low\n",
    "gan/table.csv": "",
    "setup.py": "import tfnorm.low\n",
}


def test_a_sound_tree_has_no_errors(tmp_path):
    build = (
        'load("defs.bzl", "py_binary", "py_library")\n'
        + LOW
        + 'py_binary(name="gan/high", srcs=["gan/high.py"], deps=[":low"])\n'
        + library("files", data=["gan/table.csv", ":gan/high"])
    )
    assert build_errors(build, write_tree(tmp_path, SOUND_TREE)) == []


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (
            LOW,
            "gan/high.py: is in the srcs of no target; one that has it needs the deps [':low']",
        ),
        (
            LOW + library("high", ["gan/high.py", "tfnorm/low.py"]),
            "tfnorm/low.py: is in the srcs of 2 targets: ['low', 'high']",
        ),
        (
            LOW + library("high", ["gan/high.py", "gan/gone.py"], [":low"]),
            "BUILD: target 'high': srcs names 'gan/gone.py', which is no file",
        ),
        (
            LOW + library("high", ["gan/high.py"], [":low"], ["gan/table.csv", "gan/gone.csv"]),
            "BUILD: target 'high': data names 'gan/gone.csv', which is no file",
        ),
        (
            LOW + library("high", ["gan/high.py"], [":low"], [":gone"]),
            "BUILD: target 'high': data names ':gone', which is no target",
        ),
        (
            LOW + library("high", ["gan/high.py"]),
            "gan/high.py:1: `from tfnorm import low` needs ':low' in the deps of target 'high'",
        ),
        (
            LOW + library("high", ["gan/high.py"], [":low"]) + library("low"),
            "BUILD: 2 targets are named 'low'",
        ),
        (
            LOW + 'py_test(name="high", srcs=["gan/high.py"], deps=[":low"])',
            "BUILD: target 'high': main is 'high.py', which is not in srcs",
        ),
    ],
)
def test_each_rule_fires(tmp_path, build, error):
    assert build_errors(build, write_tree(tmp_path, SOUND_TREE)) == [error]


def test_a_dep_that_is_no_target(tmp_path):
    build = LOW + library("high", ["gan/high.py"], [":low", ":gone"])
    errors = build_errors(build, write_tree(tmp_path, SOUND_TREE))
    assert "BUILD: target 'high': deps names ':gone', which is no target" in errors


def test_a_dep_that_no_import_uses(tmp_path):
    build = LOW + library("high", ["gan/high.py"], [":low", ":other"]) + library("other")
    errors = build_errors(build, write_tree(tmp_path, SOUND_TREE))
    assert errors == ["BUILD: target 'high': no import uses the dep ':other'"]


def test_a_cycle(tmp_path):
    tree = {"gan/a.py": "import gan.b\n", "gan/b.py": "def f():\n    import gan.a\n"}
    build = library("a", ["gan/a.py"], [":b"]) + library("b", ["gan/b.py"], [":a"])
    (error,) = build_errors(build, write_tree(tmp_path, tree))
    assert error.startswith("BUILD: the targets depend on each other in a cycle: ")
    assert set(error.rsplit(": ", 1)[1].split(" -> ")) == {"a", "b"}


def test_an_import_of_no_module(tmp_path):
    tree = {"gan/a.py": "\nfrom gan.gone import f\n"}
    errors = build_errors(library("a", ["gan/a.py"]), write_tree(tmp_path, tree))
    assert errors == ["gan/a.py:2: `from gan.gone import f` names no module of the project"]


@pytest.mark.parametrize("text", ["py_libary(name='a')", "name = 'a'", "rules.py_test(name='a')"])
def test_an_unknown_rule_is_an_error(text):
    with pytest.raises(ValueError, match="BUILD:1: .* Received: rule="):
        parse_build(text)


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("import pkg.low", "low"),
        ("import pkg.low as l", "low"),
        ("from pkg import low", "low"),
        ("from pkg import other, low", "low"),
        ("from pkg.low import thing", "low"),
        ("from . import low", "low"),
        ("from .low import thing", "low"),
        ("from .sub.deep import thing", "deep"),
        ("import pkg", "package"),
        ("from pkg import thing", "package"),
        ("from pkg import rebound", "package"),
        ("def f():\n    from pkg import low", "low"),
        ("if typing.TYPE_CHECKING:\n    import pkg.low", "low"),
        ("try:\n    import pkg.low\nexcept ImportError:\n    low = None", "low"),
    ],
)
def test_every_form_of_import_is_seen(tmp_path, statement, needed):
    statement = statement.replace("pkg", "tfnorm")
    tree = {
        "tfnorm/__init__.py": "from tfnorm.rebound import rebound\nfrom tfnorm import low\n",
        "tfnorm/low.py": "",
        "tfnorm/other.py": "",
        "tfnorm/rebound.py": "",
        "tfnorm/sub/deep.py": "",
        "tfnorm/user.py": statement + "\n",
    }
    build = (
        LOW
        + library("other", ["tfnorm/other.py"])
        + library("deep", ["tfnorm/sub/deep.py"])
        + library("rebound", ["tfnorm/rebound.py"])
        + library("package", ["tfnorm/__init__.py"], [":low", ":rebound"])
        + library("user", ["tfnorm/user.py"], [":other"] if "other" in statement else [])
    )
    (error,) = build_errors(build, write_tree(tmp_path, tree))
    assert error.endswith(f"needs ':{needed}' in the deps of target 'user'")
