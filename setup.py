"""Installs the package `tfnorm`.

The programs `gan` and `classify`, and what they share, `harness`, run from a checkout.
"""

import pathlib
import re

import setuptools


def read_version() -> str:
    """The version written in tfnorm/__init__.py, read as text: importing it needs TensorFlow."""
    text = pathlib.Path(__file__).with_name("tfnorm").joinpath("__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError('tfnorm/__init__.py must have a line `__version__ = "..."`.')
    return found[1]


EXPERIMENTS = [
    "matplotlib",
    # Reads images; matplotlib brings it, too.
    "pillow",
    "scikit-learn",
    "scipy",
    "tensorboard",
    "tqdm",
    "tensorflow-datasets",
    # tensorflow-datasets imports importlib_resources without declaring it.
    "importlib_resources",
    # 2.1.0 is the last release; gan adapts this one to today's TensorFlow.
    "tensorflow-gan==2.1.0",
    # tensorflow-gan imports tensorflow-hub, tensorflow-probability and six.
    "tensorflow-hub",
    "tensorflow-probability",
    "six",
    # tensorflow-gan imports distutils, which since Python 3.12 setuptools alone has; tensorflow-hub
    # pkg_resources, which setuptools 82 no longer has: gan/tfgan.py stands in for it.
    "setuptools",
    "packaging",
    # tensorflow-hub and tensorflow-probability import tf_keras, in TensorFlow's minor version.
    "tf_keras>=2.20,<2.22",
]

setuptools.setup(
    name="tfnorm",
    version=read_version(),
    description="Batch whitening and unitization layers for Keras 3 on TensorFlow",
    long_description=pathlib.Path(__file__).with_name("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="The tfnorm authors",
    license="Apache-2.0",
    keywords=[
        "batch normalization",
        "batch whitening",
        "decorrelated batch normalization",
        "iterative normalization",
        "internal covariate shift",
        "unitization",
        "spectral normalization",
        "keras",
        "tensorflow",
    ],
    project_urls={
        "Batch whitening (paper)": "https://arxiv.org/abs/2003.12327",
        "Iterative normalization (paper)": "https://arxiv.org/abs/1904.03441",
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    packages=setuptools.find_packages(include=["tfnorm", "tfnorm.*"]),
    # Says that the annotations are for users.
    package_data={"tfnorm": ["py.typed"]},
    # TensorFlow 2.21 has no wheel for a later Python.
    python_requires=">=3.11,<3.14",
    install_requires=["absl-py", "keras>=3.12", "numpy", "tensorflow>=2.20,<2.22"],
    extras_require={
        "experiments": EXPERIMENTS,
        # The tests cover the programs too. Pyright runs on Node.js, which [nodejs] brings.
        "test": [
            "tfnorm[experiments]",
            "hypothesis",
            "pyright[nodejs]",
            "pytest>=8.1",
            "pytest-xdist",
            "ruff",
        ],
        # The site of docs/: pages, and the reference from docstrings.
        "docs": [
            "mkdocs<2",
            "mkdocs-material>=9.5",
            "mkdocstrings[python]>=0.29",
            # Notebooks run with the first two, and are pages by the third.
            "ipykernel",
            "nbclient",
            "nbconvert",
            "nbformat",
        ],
    },
)
