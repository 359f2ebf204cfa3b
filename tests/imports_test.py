"""Keeps the import rules: which module may use which."""

import ast
import pathlib
import sys
import typing

import pytest

from tests.sources import ROOT, Sources, imports_of, write_tree

ANYTHING = ""
PROGRAMS = (
    *(f"{folder}/{name}.py" for folder in ("gan", "classify") for name in ("train", "evaluate")),
    *(f"{folder}/experiment.py" for folder in ("gan", "classify")),
    "gan/sample.py",
    "gan/train_features.py",
    "tfnorm/benchmark/__main__.py",
    "harness/experiments/flags.py",
    "harness/flags.py",
    "harness/program.py",
    "harness/training.py",
)


class Rule(typing.NamedTuple):
    """What the sources under some paths may use, as dotted prefixes.

    The longest prefix of a name decides, ANYTHING being the shortest; a name without a prefix in
    the rule, and the standard library, may be used.
    """

    title: str
    paths: tuple[str, ...]
    deny: tuple[str, ...]
    allow: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()


RULES = (
    Rule(
        "the insides of TensorFlow and Keras are theirs",
        ("tfnorm/", "harness/", "gan/", "classify/"),
        deny=("tensorflow.python", "keras.src"),
        exempt=("tfnorm/keras_internals.py",),
    ),
    Rule(
        "tfnorm needs what is installed with it, and of the rest SciPy and Matplotlib",
        ("tfnorm/",),
        deny=(ANYTHING,),
        allow=("absl", "keras", "matplotlib", "numpy", "scipy", "tensorflow", "tfnorm"),
    ),
    Rule(
        "functional is TensorFlow and NumPy only, without Keras",
        ("tfnorm/functional/",),
        deny=(ANYTHING, "tensorflow.keras"),
        allow=("tensorflow", "numpy", "tfnorm.functional"),
    ),
    Rule(
        "layers use functional, TensorFlow and Keras, and what is private there through one module",
        ("tfnorm/layers/",),
        deny=(ANYTHING, "tensorflow.keras"),
        allow=(
            "keras",
            "tensorflow",
            "tfnorm.functional",
            "tfnorm.layers",
            "tfnorm.keras_internals",
        ),
    ),
    Rule(
        "preprocessing uses what is of the layers, TensorFlow, Keras and NumPy",
        ("tfnorm/preprocessing/",),
        deny=(ANYTHING, "tensorflow.keras"),
        allow=("keras", "tensorflow", "numpy", "tfnorm.layers", "tfnorm.preprocessing"),
    ),
    Rule(
        "folding, conversion and what is by domain use the layers",
        (
            "tfnorm/folding/",
            "tfnorm/adaptation.py",
            "tfnorm/conversion.py",
            "tfnorm/domains.py",
        ),
        deny=(ANYTHING, "tensorflow.keras"),
        allow=(
            "keras",
            "tensorflow",
            "numpy",
            "tfnorm.functional",
            "tfnorm.layers",
            "tfnorm.preprocessing",
            "tfnorm.folding",
            "tfnorm.calls",
            "tfnorm.copying",
            "tfnorm.difference",
            "tfnorm.domains",
            "tfnorm.keras_internals",
        ),
    ),
    Rule(
        "copying uses Keras, and what is private there through one module",
        (
            "tfnorm/calls.py",
            "tfnorm/copying.py",
            "tfnorm/difference.py",
            "tfnorm/keras_internals.py",
        ),
        deny=(ANYTHING,),
        allow=("keras", "numpy", "tfnorm.keras_internals"),
    ),
    Rule(
        "analysis uses the layers and SciPy",
        ("tfnorm/analysis/",),
        deny=(ANYTHING, "tensorflow.keras"),
        allow=(
            "keras",
            "tensorflow",
            "numpy",
            "scipy",
            "tfnorm.functional",
            "tfnorm.layers",
            "tfnorm.analysis",
            "tfnorm.calls",
            "tfnorm.copying",
            "tfnorm.keras_internals",
        ),
    ),
    Rule(
        "the harness knows of the layers in norms and networks alone",
        ("harness/",),
        deny=("tfnorm",),
        exempt=("harness/norms.py", "harness/networks.py"),
    ),
    Rule(
        "norms and networks of the harness use the layers",
        ("harness/norms.py", "harness/networks.py"),
        deny=("tfnorm",),
        allow=("tfnorm.functional", "tfnorm.layers"),
    ),
    Rule(
        "networks are Keras and the layers, and know no list of norms",
        ("gan/networks/", "classify/networks/"),
        deny=(ANYTHING,),
        allow=("keras", "tfnorm.layers", "gan.networks", "classify.networks"),
    ),
    Rule(
        "metrics are arithmetic, but for the feature networks and the face of all",
        ("gan/metrics/",),
        deny=(ANYTHING,),
        allow=("numpy", "scipy", "gan.config", "gan.metrics"),
        exempt=tuple(
            f"gan/metrics/{name}.py"
            for name in ("face", "features", "network_inputs", "opened_networks")
        ),
    ),
    Rule(
        "presets are dataclasses",
        (
            "harness/config.py",
            *(
                f"{folder}/{name}.py"
                for folder in ("gan", "classify")
                for name in ("config", "presets")
            ),
        ),
        deny=(ANYTHING,),
        allow=(
            "harness.config",
            "harness.norm_names",
            "harness.tables",
            "gan.config",
            "classify.config",
        ),
    ),
    Rule("gan uses neither classify nor the tests", ("gan/",), deny=("classify", "tests")),
    Rule("classify uses neither gan nor the tests", ("classify/",), deny=("gan", "tests")),
    Rule(
        "tfnorm uses neither the programs, what they share nor the tests",
        ("tfnorm/",),
        deny=("harness", "gan", "classify", "tests"),
    ),
    Rule(
        "harness uses neither the programs nor the tests",
        ("harness/",),
        deny=("gan", "classify", "tests"),
    ),
    Rule(
        "only programs read flags",
        ("tfnorm/", "harness/", "gan/", "classify/"),
        deny=("absl.flags",),
        exempt=PROGRAMS,
    ),
)


def longest_prefix(name: str, prefixes: tuple[str, ...]) -> int:
    """The length of the longest dotted prefix of `name` among `prefixes`, -1 if there is none."""
    fits = (p for p in prefixes if p == ANYTHING or f"{name}.".startswith(f"{p}."))
    return max(map(len, fits), default=-1)


def is_denied(name: str, rule: Rule) -> bool:
    """Whether `rule` forbids the module or attribute of a dotted `name`."""
    if name.split(".")[0] in sys.stdlib_module_names:
        return False
    return longest_prefix(name, rule.deny) > longest_prefix(name, rule.allow)


def names_used(source: str, path: str) -> list[tuple[int, list[str]]]:
    """For each import its line and dotted names: what it imports, then attributes used of that.

    With `import tensorflow as tf`, `tf.keras.Model` is the name tensorflow.keras.Model.
    """
    attributes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    chains = [ast.unparse(node) for node in attributes]
    found = []
    for imported in imports_of(source, path):
        name = ".".join(filter(None, [imported.module, imported.name]))
        first = name.split(".")[0]
        bound = first if imported.alias == first and not imported.name else name
        uses = [chain.partition(".") for chain in chains]
        used = [f"{bound}.{rest}" for root, _, rest in uses if root == imported.alias]
        found.append((imported.line, [name, *used]))
    return found


def import_errors(rules: typing.Iterable[Rule], root: pathlib.Path) -> list[str]:
    """What in the sources below `root` is against `rules`: one line per import and rule."""
    errors = []
    for path, text in sorted(Sources(root).texts.items()):
        uses = names_used(text, path)
        for rule in rules:
            if not path.startswith(rule.paths) or path in rule.exempt:
                continue
            for line, names in uses:
                denied = [name for name in names if is_denied(name, rule)]
                if denied:
                    errors.append(f"{path}:{line}: uses {denied[0]}, but {rule.title}")
    return errors


def test_sources_follow_the_rules():
    errors = import_errors(RULES, ROOT)
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)


# The checker itself, on trees of a few files.

# title of the rule, path, source, what the message names
VIOLATIONS = (
    (
        "the insides",
        "harness/experiments/a.py",
        "from tensorflow.python.framework import ops\nops.gradient_registry",
        "tensorflow.python.framework.ops",
    ),
    ("the insides", "tfnorm/folding/a.py", "import keras\nkeras.src.ops", "keras.src.ops"),
    ("tfnorm needs", "tfnorm/a.py", "import pandas", "pandas"),
    ("tfnorm needs", "tfnorm/benchmark/a.py", "def f():\n    import tqdm", "tqdm"),
    ("norms and", "harness/norms.py", "from tfnorm import benchmark", "tfnorm.benchmark"),
    ("norms and", "harness/networks.py", "import tfnorm\ntfnorm.fold_normalization()", "tfnorm"),
    ("functional is", "tfnorm/functional/a.py", "import keras", "keras"),
    ("functional is", "tfnorm/functional/a.py", "from tensorflow import keras", "tensorflow.keras"),
    (
        "functional is",
        "tfnorm/functional/a.py",
        "import tensorflow as tf\ntf.keras.layers.Layer()",
        "tensorflow.keras.layers.Layer",
    ),
    ("functional is", "tfnorm/functional/a.py", "from ..layers import x", "tfnorm.layers.x"),
    ("layers use", "tfnorm/layers/a.py", "from absl import logging", "absl.logging"),
    ("layers use", "tfnorm/layers/a.py", "def f():\n    import scipy.linalg", "scipy.linalg"),
    (
        "preprocessing uses",
        "tfnorm/preprocessing/a.py",
        "from tfnorm import analysis",
        "tfnorm.analysis",
    ),
    (
        "folding, conv",
        "tfnorm/folding/a.py",
        "from tfnorm import analysis",
        "tfnorm.analysis",
    ),
    ("folding, conv", "tfnorm/conversion.py", "import scipy", "scipy"),
    ("copying uses", "tfnorm/copying.py", "from tfnorm import layers", "tfnorm.layers"),
    ("analysis uses", "tfnorm/analysis/a.py", "import matplotlib", "matplotlib"),
    ("analysis uses", "tfnorm/analysis/a.py", "from tfnorm import folding", "tfnorm.folding"),
    ("the harness knows", "harness/a.py", "from tfnorm import layers", "tfnorm.layers"),
    ("the harness knows", "harness/run/a.py", "import tfnorm", "tfnorm"),
    ("harness uses", "harness/a.py", "from gan import trainer", "gan.trainer"),
    ("tfnorm uses", "tfnorm/a.py", "from harness import errors", "harness.errors"),
    ("networks are", "gan/networks/a.py", "import tensorflow as tf", "tensorflow"),
    ("networks are", "gan/networks/a.py", "from gan import presets", "gan.presets"),
    (
        "networks are",
        "classify/networks/a.py",
        "import harness\nharness.norms.make('bn')",
        "harness",
    ),
    ("metrics are", "gan/metrics/a.py", "import tensorflow as tf", "tensorflow"),
    ("presets are", "gan/presets.py", "import numpy as np", "numpy"),
    ("presets are", "classify/presets.py", "from classify import networks", "classify.networks"),
    ("gan uses", "gan/a.py", "from classify import trainer", "classify.trainer"),
    ("classify uses", "classify/a.py", "from gan.trainer import step", "gan.trainer.step"),
    ("tfnorm uses", "tfnorm/a.py", "import gan.losses as losses", "gan.losses"),
    ("only programs", "gan/trainer.py", "from absl import flags", "absl.flags"),
    ("only programs", "harness/a.py", "import absl\nabsl.flags.FLAGS", "absl.flags.FLAGS"),
    ("only programs", "tfnorm/a.py", "from absl.flags import FLAGS", "absl.flags.FLAGS"),
)


@pytest.mark.parametrize(("title", "path", "source", "name"), VIOLATIONS)
def test_each_rule_fires(tmp_path, title, path, source, name):
    (rule,) = (rule for rule in RULES if rule.title.startswith(title))
    line = source.count("\n") + 1 if source.startswith("def") else 1
    root = write_tree(tmp_path, {path: source + "\n"})
    assert import_errors([rule], root) == [f"{path}:{line}: uses {name}, but {rule.title}"]


def test_every_rule_is_seen_to_fire():
    fired = tuple(title for title, *_ in VIOLATIONS)
    assert [rule.title for rule in RULES if not rule.title.startswith(fired)] == []


def test_sound_imports_pass(tmp_path):
    tree = {
        "tfnorm/functional/a.py": "import numpy as np\nimport typing\nimport tensorflow as tf\n",
        "tfnorm/layers/a.py": "import keras\nfrom tfnorm import functional\nfunctional.f.keras\n",
        "harness/run/a.py": "import matplotlib\nfrom harness.run import loop\n",
        "gan/networks/a.py": "import keras\nfrom tfnorm.layers import Coloring\n",
        "gan/metrics/a.py": "import numpy as np\nfrom scipy import linalg\n",
        "gan/presets.py": "import dataclasses\n",
        "gan/train.py": "from absl import app, flags\nfrom gan import presets, trainer\n",
    }
    assert import_errors(RULES, write_tree(tmp_path, tree)) == []
