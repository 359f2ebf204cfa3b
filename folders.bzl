"""What BUILD is written in: packages by folder, their programs, and tests that pytest runs."""

load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

RUNNER = "tests/run_pytest.py"

def _library(name, data, **kwargs):
    py_library(
        name = name,
        srcs = native.glob([name + "/*.py"]),
        data = native.glob(
            [name + data],
            exclude = [name + "/**/*.py", name + "/**/*.pyc"],
            allow_empty = True,
        ),
        **kwargs
    )

def package(name, deps, folders = []):
    """Defines a library for each folder of a Python package, and `name`: the package, with them.

    Within a package folders import each other both ways, and whatever is imported runs the
    package's __init__.py first: who needs a folder depends on the package. Which file may import
    which is the business of tests/imports_test.py.

    Args:
      name: of the package, which is its top folder.
      deps: what its files import from elsewhere.
      folders: those below the top folder, such as "run". Files beside Python's are data.
    """
    libraries = ["%s/%s" % (name, folder) for folder in folders]
    for library in libraries:
        _library(library, "/**/*", deps = deps)
    _library(
        name,
        "/*",
        visibility = ["//visibility:public"],
        deps = [":" + library for library in libraries] + deps,
    )

def programs(modules, deps):
    """Defines a binary for each of `modules`: files, without their ".py"."""
    for module in modules:
        py_binary(
            name = module,
            srcs = [module + ".py"],
            main = module + ".py",
            deps = deps,
        )

def test_folders(folders, deps, data = []):
    """Defines FOLDER/test for each of `folders`: pytest runs the folder's files *_test.py.

    A py_test runs its file as a script, in which a test is a function that nobody calls.

    Args:
      folders: from the root. Their other files, which help their tests, are there too, and
        conftest.py of the folders above.
      deps: what the tests import.
      data: files that they read.
    """
    for folder in folders:
        names = folder.split("/")
        above = ["/".join(names[:count]) for count in range(1, len(names))]
        conftests = native.glob([path + "/conftest.py" for path in above], allow_empty = True)
        py_test(
            name = folder + "/test",
            size = "large",
            srcs = native.glob([folder + "/*.py"], exclude = [RUNNER]) + conftests + [RUNNER],
            args = native.glob([folder + "/*_test.py"]),
            data = data + ["pyproject.toml"],
            # No __init__.py is added, which would make a folder of tests a package.
            legacy_create_init = 0,
            main = RUNNER,
            # pyproject.toml has pytest use two processes.
            tags = ["cpu:2"],
            deps = deps,
        )
