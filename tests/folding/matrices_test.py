"""Moving covariances become matrices: the same numbers, and no decomposition left."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests.folding import checked
from tfnorm import keras_internals

L = keras.layers
SHAPE = (4, 3, 5)
METHODS = sorted(tfnorm.functional.WHITENERS)
DECOMPOSITIONS = {"SelfAdjointEigV2", "Cholesky", "MatrixTriangularSolve", "Svd", "While"}


def whitening(method="zca", **options):
    # Of five channels: two groups of two, and a last group of one.
    return checked.BatchWhitening(method, group_size=2, **options)


def with_matrices(model, x=None):
    """The model by matrices, of a trained one, with what must hold each time."""
    x = checked.samples(checked.trained(model, x), seed=9) if x is None else x
    before = [weight.numpy() for weight in model.weights]
    new, difference = tfnorm.fold_normalization(model, x, matrices_only=True)
    assert difference == 0.0
    np.testing.assert_array_equal(new(x), model(x))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    own = {id(weight) for weight in model.weights}
    assert not any(id(weight) in own for weight in new.weights)
    assert type(new) is type(model) and new.name == model.name
    return new


def whitenings(model):
    inner = keras_internals.with_inner_layers(model)
    return [layer for layer in inner if isinstance(layer, tfnorm.BatchWhitening)]


def estimates(model):
    return [layer.estimate for layer in whitenings(model)]


def served(model, path):
    """What a model's SavedModel computes, and its operations, with those that it calls."""
    model.export(path, verbose=False)
    loaded = tf.saved_model.load(path)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return lambda x: loaded.serve(x).numpy(), [node.op for node in nodes]


@pytest.mark.parametrize("method", METHODS)
def test_exported_matrices_are_those_of_the_covariances(method, tmp_path):
    model = checked.trained(checked.model(SHAPE, L.Conv2D(5, 1), whitening(method), L.ReLU()))
    new = with_matrices(model)
    x = tf.constant(checked.samples(model, seed=3))
    (plain, decomposing), (serve, ops) = (
        served(one, tmp_path / name) for name, one in (("plain", model), ("new", new))
    )
    # TensorFlow optimises the steps of Newton's iteration in a graph, and so rounds otherwise.
    np.testing.assert_allclose(serve(x), plain(x), 0, 1e-6 if method == "itn" else 0)
    assert not DECOMPOSITIONS & set(ops)
    assert method == "itn" or DECOMPOSITIONS & set(decomposing), "There is nothing to test."


def test_exported_newton_iteration_is_done(tmp_path):
    def products(iterations, **options):
        model = checked.model(SHAPE, whitening("itn", iterations=iterations))
        if options:
            model, _ = tfnorm.fold_normalization(model, **options)
        _, ops = served(model, tmp_path / f"{iterations}{len(options)}")
        return sum(op in ("MatMul", "BatchMatMulV2") for op in ops)

    assert products(2) < products(9)
    # One for each block of groups.
    assert products(2, matrices_only=True) == products(9, matrices_only=True) == 2


class Doubled(keras.Model):
    """Computes something else than its graph."""

    def call(self, inputs):
        return 2.0 * super().call(inputs)


@keras.saving.register_keras_serializable(package="matrices_test")
class Block(L.Layer):
    """Makes a whitening for itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norms = [whitening("cd"), whitening("itn")]

    def call(self, inputs, training=None):
        for norm in self.norms:
            inputs = norm(inputs, training=training)
        return inputs


def test_whitenings_within_models_and_layers():
    inner = checked.model(SHAPE, whitening(name="within"), L.ReLU())
    own_call = Doubled(inner.input, whitening(name="own")(inner.input), name="own_call")
    shared = whitening("pca", name="shared")
    model = checked.model(
        SHAPE, shared, keras.Sequential([keras.Input(SHAPE), inner], name="sequential"), own_call,
        L.ReLU(), shared, Block(name="block"), tfnorm.SpectralNormalization(L.Conv2D(5, 1)),
        L.TimeDistributed(whitening("cd"), name="rows"),
    )  # fmt: skip
    new = with_matrices(model)
    assert estimates(model) == ["covariance"] * 6
    assert estimates(new) == ["matrix"] * 6
    assert checked.kinds(new) == checked.kinds(model)
    folded, difference = tfnorm.fold_normalization(model, checked.samples(model, seed=9))
    assert difference < 1e-5
    # Folding leaves those of `own_call`, `block` and `rows` where they are.
    assert estimates(folded) == ["matrix"] * 4


def test_a_model_without_a_graph():
    class Subclassed(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.block = Block()

        def call(self, inputs, training=None):
            return self.block(inputs, training=training)

    model = Subclassed()
    x = np.random.default_rng(0).normal(1.0, 2.0, size=(6, *SHAPE)).astype(np.float32)
    with pytest.raises(ValueError, match="must be a Keras model, built. Received: model=<Subcl"):
        tfnorm.fold_normalization(model, matrices_only=True)
    checked.trained(model, x)
    assert estimates(with_matrices(model, x)) == ["matrix"] * 2
    with pytest.raises(ValueError, match="Received: model=<Subclassed"):
        tfnorm.fold_normalization(model)


def test_a_whitening_that_folding_leaves():
    x, mask = keras.Input((6, 3)), keras.Input((6,), dtype="bool")
    model = keras.Model([x, mask], whitening(name="norm")(L.Dense(5, name="dense")(x), mask=mask))
    samples = [np.random.default_rng(0).normal(size=(4, 6, 3)), np.ones((4, 6), bool)]
    folded = checked.folded(checked.trained(model, samples), samples)
    assert estimates(folded) == ["matrix"]


def test_the_layer_is_one_with_matrices(tmp_path):
    model = checked.model(SHAPE, L.TimeDistributed(whitening("zca", name="norm"), name="rows"))
    new = with_matrices(model)
    (layer,), (fresh,) = (
        whitenings(one)
        for one in (new, checked.model(SHAPE, L.TimeDistributed(whitening(estimate="matrix"))))
    )
    assert [weight.name for weight in layer.weights] == [weight.name for weight in fresh.weights]
    assert [weight.dtype for weight in layer.weights] == [weight.dtype for weight in fresh.weights]
    assert not hasattr(layer, "moving_covariance")
    x = checked.samples(model, seed=9)
    new.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), model(x))
    # It goes on as such a layer does.
    before = layer.moving_matrix_last.numpy()
    new(3.0 * x, training=True)
    assert (layer.moving_matrix_last.numpy() < before).all()


def test_what_stays_as_it_is():
    class Subclass(tfnorm.BatchWhitening):
        def inference_matrices(self):
            return [2.0 * matrix for matrix in super().inference_matrices()]

    norm = whitening(name="norm", trainable=False)
    model = checked.model(
        SHAPE, Subclass(group_size=2), norm, whitening("cd", estimate="matrix"), L.Dropout(0.5)
    )
    model.compile("sgd", "mse")
    new = with_matrices(model)
    assert estimates(new) == ["covariance", "matrix", "matrix"]
    assert not new.get_layer("norm").trainable and not new.get_layer("norm").weights[0].trainable
    kinds = list(checked.kinds(new).values())
    assert kinds == ["Subclass", "BatchWhitening", "BatchWhitening", "Dropout"]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_dtypes(policy):
    model = checked.model((6,), L.Dense(5), whitening("itn", dtype=policy))
    (layer,) = whitenings(with_matrices(model))
    assert layer.moving_matrix.dtype == ("float64" if policy == "float64" else "float32")
