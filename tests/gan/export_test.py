"""Exported generators: that they compute the same, and less."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from gan.export import export
from tests.gan.toy_trainer import make


def served(generator, path):
    """The function of a generator's SavedModel, and its operations, with those that it calls."""
    export(generator, path)
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    graph = serve.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return serve, [node.op for node in nodes]


def test_the_exported_generator_computes_what_the_generator_does(tmp_path):
    generator = make().sampler
    serve, _ = served(generator, tmp_path / "generator")
    latent = tf.random.normal([3, 128])
    np.testing.assert_allclose(serve(latent=latent)["images"], generator(latent), atol=1e-5)


def test_the_exported_generator_is_folded(tmp_path):
    """No matrix is computed when it is served, and none is applied for itself."""
    _, folded = served(make(norm="cd", recovery="coloring").sampler, tmp_path / "folded")
    _, plain = served(make(norm="none").sampler, tmp_path / "plain")
    assert "Cholesky" not in folded
    assert folded.count("MatMul") == plain.count("MatMul") > 0
    assert "BatchMatMulV2" not in folded


@pytest.mark.parametrize(
    "options",
    [
        {"conditional": "projection", "recovery": "coloring", "generator_spectral": True},
        {"conditional": "acgan", "recovery": "factorized_coloring"},
    ],
    ids=lambda options: options["recovery"],
)
def test_a_conditional_generator_is_served_with_labels(options, tmp_path):
    generator = make(**options).sampler
    for weight in generator.trainable_weights:  # all classes start alike
        weight.assign_add(0.1 * tf.random.normal(weight.shape))
    serve, _ = served(generator, tmp_path / "generator")
    latent, labels = tf.random.normal([3, 128]), tf.constant([1, 5, 5])
    images = generator([latent, labels])
    np.testing.assert_allclose(serve(latent=latent, labels=labels)["images"], images, atol=1e-5)
    assert np.abs(generator([latent, labels[::-1]])[0] - images[0]).max() > 1e-3


def test_whitenings_that_cannot_be_folded_have_matrices(tmp_path, caplog):
    generator = make(norm="zca").sampler
    image = generator.output
    whitened = tfnorm.BatchWhitening("zca", name="last")(image, mask=image[..., 0] > 0)
    generator = keras.Model(generator.input, whitened)
    latent = tf.random.normal([3, 128])
    serve, ops = served(generator, tmp_path / "generator")
    np.testing.assert_allclose(serve(latent=latent)["images"], generator(latent), atol=1e-5)
    assert "SelfAdjointEigV2" not in ops
    assert [record.getMessage() for record in caplog.records] == []
