"""Exported classifiers: that they compute the same, without a decomposition, without a warning."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from classify import presets
from classify.export import export, export_folded
from classify.models import make_model
from classify.scalings import make_scaling

DECOMPOSITIONS = {"SelfAdjointEigV2", "Cholesky", "MatrixTriangularSolve"}


def served(path):
    """The function of a classifier's SavedModel, and its operations, with those that it calls."""
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    graph = serve.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return (lambda x: serve(images=x)["logits"].numpy()), [node.op for node in nodes], loaded


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0.0, 255.0, size=(12, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("norm", ["zca", "itn"])
def test_an_exported_classifier_whitens_by_matrices(norm, images, tmp_path, caplog):
    quickstart = presets.PRESETS["quickstart"]
    config = dataclasses.replace(quickstart, norm=norm, width=10, group_size=4)
    model = make_model(config, (8, 8, 1), 10)
    scaling = make_scaling("symmetric")
    for _ in range(3):
        model(scaling(images), training=True)
    expected = model(scaling(images)).numpy()

    export(model, scaling, tmp_path / "model")
    folded, difference = export_folded(model, scaling, tmp_path / "folded", scaling(images))
    assert difference < 1e-5
    serves = {name: served(tmp_path / name) for name in ("model", "folded")}
    for serve, ops, _ in serves.values():
        np.testing.assert_allclose(serve(images), expected, atol=1e-5)
        assert not DECOMPOSITIONS & set(ops)
    # Two blocks of groups, and no step of an iteration.
    sites = sum("norm" in layer.name for layer in model.layers)
    ops = serves["model"][1]
    products = ops.count("MatMul") + ops.count("BatchMatMulV2")
    assert products == serves["folded"][1].count("MatMul") + 2 * sites
    assert [record.getMessage() for record in caplog.records] == []
