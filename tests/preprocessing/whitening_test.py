"""Whitening of data: against NumPy and scikit-learn in float64, streamed, saved, inverted."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import tfnorm
from tfnorm import copying
from tfnorm.preprocessing.kernels import KERNELS, ORDERED
from tfnorm.preprocessing.moments import Moments

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 6)) @ RNG.normal(size=(6, 6)) + np.arange(6.0) * 10
IMAGES = RNG.normal(size=(60, 3, 4, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]]) + 3.0


def adapted(data=X, method="zca", **options):
    layer = tfnorm.Whitening(method, **({"epsilon": 0.0, "dtype": "float64"} | options))
    layer.adapt(data)
    return layer


@pytest.mark.parametrize("method", KERNELS)
def test_outputs_are_white(method):
    layer = adapted(method=method)
    y = layer(X).numpy()
    np.testing.assert_allclose(y.mean(0), 0.0, atol=1e-10)
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(6), atol=1e-9)
    covariance = np.cov(X.T, bias=True)
    w = layer.components_
    np.testing.assert_allclose(w @ covariance @ w.T, np.eye(6), atol=1e-9)
    np.testing.assert_allclose(layer.mean_, X.mean(0), rtol=1e-12)


def test_each_method_is_its_own_formula():
    covariance = np.cov(X.T, bias=True)
    deviations = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviations, deviations)

    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors / np.sqrt(values)) @ vectors.T

    found = {method: adapted(method=method).components_ for method in KERNELS}
    np.testing.assert_allclose(found["zca"], root(covariance), rtol=1e-8)
    np.testing.assert_allclose(found["zca_cor"], root(correlation) / deviations, rtol=1e-8)
    np.testing.assert_allclose(
        found["cd"], np.linalg.inv(np.linalg.cholesky(covariance)), atol=1e-10
    )
    values, vectors = np.linalg.eigh(correlation)
    rows = (vectors / np.sqrt(values)).T[::-1] / deviations
    np.testing.assert_allclose(np.abs(found["pca_cor"]), np.abs(rows), rtol=1e-8)
    for method in ORDERED:
        largest = np.abs(found[method] * (deviations if method == "pca_cor" else 1)).argmax(1)
        assert (found[method][np.arange(6), largest] > 0).all()


@pytest.mark.parametrize("components", [None, 1, 20])
def test_pca_is_scikit_learns(components):
    data, _ = load_digits(return_X_y=True)
    data = data[:, data.std(0) > 0]
    theirs = PCA(components, whiten=True, svd_solver="full").fit(data)
    ours = adapted(data, "pca", n_components=components, ddof=1)
    expected = theirs.transform(data)
    sign = np.sign(np.sum(expected * ours(data), 0))
    np.testing.assert_allclose(ours(data), sign * expected, atol=1e-7)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-9)
    back = adapted(data, "pca", n_components=components, ddof=1, invert=True)
    np.testing.assert_allclose(back(ours(data)), theirs.inverse_transform(expected), atol=1e-7)


@pytest.mark.parametrize("method", KERNELS)
@pytest.mark.parametrize("axis", [-1, 1, (1, 2, 3), (-1,), [2, -1]], ids=str)
def test_axes(method, axis):
    data = IMAGES if axis != (1, 2, 3) else RNG.normal(size=(200, 2, 2, 2))
    layer = adapted(data, method, axis=axis, epsilon=1e-9)
    y = layer(data)
    assert y.shape == layer.compute_output_shape(data.shape)
    back = adapted(data, method, axis=axis, epsilon=1e-9, invert=True)
    np.testing.assert_allclose(back(y), data, atol=1e-8)
    assert back.compute_output_shape(y.shape) == data.shape
    axes = [axis] if isinstance(axis, int) else axis
    axes = [one % 4 for one in axes]
    if method in ORDERED and not isinstance(axis, int):
        rows = y.numpy().reshape(-1, y.shape[-1])
    else:
        rows = np.moveaxis(y.numpy(), axes, range(-len(axes), 0))
        rows = rows.reshape(-1, np.prod([data.shape[one] for one in axes]))
    np.testing.assert_allclose(np.cov(rows.T, bias=True), np.eye(rows.shape[1]), atol=1e-6)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("axis", [-1, 1, (1, 2, 3), (-1,), [2, -1]], ids=str)
@pytest.mark.parametrize(
    "options",
    [*({"method": method} for method in KERNELS), {"method": "pca_cor", "n_components": 2}],
    ids=str,
)
def test_its_outputs_shape_before_it_is_built(options, axis, invert):
    data_shape = (None, 3, None, 2) if isinstance(axis, int) else (None, 3, 4, 2)
    layer = tfnorm.Whitening(axis=axis, **options)
    shape = layer.compute_output_shape(data_shape)
    assert not layer.built
    assert shape == layer(keras.Input(data_shape[1:])).shape
    if not invert:
        return
    back = tfnorm.Whitening(axis=axis, invert=True, **options)
    knows_no_shape = "n_components" in options or (
        options["method"] in ORDERED and not isinstance(axis, int)
    )
    if knows_no_shape:
        with pytest.raises(ValueError, match="adapted before .* does not follow from its inputs'"):
            back.compute_output_shape(shape)
        known = adapted(IMAGES, axis=axis, invert=True, **options)
        back = type(back).from_config(known.get_config())
        data_shape = IMAGES.shape
        shape = layer.compute_output_shape(data_shape)
    assert back.compute_output_shape(shape) == data_shape
    assert back.compute_output_spec(keras.KerasTensor(shape)).shape == data_shape
    assert not back.built


@pytest.mark.parametrize(
    "options, shape, said",
    [
        ({"axis": 3}, (None, 8), "Received: axis=3, rank=2"),
        ({}, (None, None), "sizes must be known and not 0. Received: axis=-1, shape=.None, None."),
        ({"method": "pca", "n_components": 9}, (None, 8), "at most the number of features, 8"),
    ],
)
@pytest.mark.parametrize("action", ["compute_output_shape", "build"])
def test_shapes_that_are_refused(options, shape, said, action):
    layer = tfnorm.Whitening(**options)
    with pytest.raises(ValueError, match=said):
        getattr(layer, action)(shape)


def test_a_shape_that_was_refused_is_not_kept():
    layer = tfnorm.Whitening()
    with pytest.raises(ValueError, match="must be known"):
        layer(keras.Input((None,)))
    assert layer.compute_output_shape((None, 8)) == layer(keras.Input((8,))).shape == (None, 8)


def generator():
    yield from np.split(X, [1, 1, 8, 300])


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return X[100 * index : 100 * (index + 1)], np.zeros(100)


@pytest.mark.parametrize(
    "data",
    [
        X.tolist(),
        tf.constant(X),
        tf.data.Dataset.from_tensor_slices((X, X)).batch(7),
        generator(),
        Batches(),
        iter([X[:250], X[250:]]),
        np.split(X, [1, 200]),
        list(X),
    ],
    ids=["list", "tensor", "dataset", "generator", "PyDataset", "iterator", "batches", "rows"],
)
def test_what_it_is_adapted_to(data):
    np.testing.assert_allclose(adapted(data)(X), adapted()(X), atol=1e-9)


def test_batches_are_merged_exactly_where_the_mean_is_large():
    data = X + 1e6
    moments = Moments(6)
    for batch in np.array_split(data, 13):
        moments.add(batch)
    np.testing.assert_allclose(moments.covariance(1), np.cov(data.T), rtol=1e-8)
    assert moments.count == 500


def test_steps_and_adapting_again():
    layer = adapted(iter([X[:100], X[100:]]))
    batches = iter(np.split(X, [100, 200]))
    layer.adapt(batches, steps=1)
    np.testing.assert_allclose(layer(X), adapted(X[:100])(X), atol=1e-9)
    np.testing.assert_array_equal(next(batches), X[100:200])  # no more was read


def test_a_dataset_without_an_end():
    class Endless(Batches):
        num_batches = None

    layer = adapted()
    with pytest.raises(ValueError, match="`steps` must be given .* Received: steps=None"):
        layer.adapt(Endless())
    layer.adapt(Endless(), steps=2)
    np.testing.assert_allclose(layer(X), adapted(X[:200])(X), atol=1e-9)


@pytest.mark.parametrize("method", KERNELS)
def test_variances(method):
    correlation = np.corrcoef(X.T)
    expected = {
        "pca": np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1],
        "pca_cor": np.linalg.eigvalsh(correlation)[::-1],
    }.get(method, X.var(0))
    np.testing.assert_allclose(adapted(method=method).explained_variance_, expected, rtol=1e-9)


def test_statistics():
    layer = tfnorm.Whitening.from_statistics(
        X.mean(0), np.cov(X.T, bias=True), method="pca", n_components=2, epsilon=0.0
    )
    expected = adapted(method="pca", n_components=2)(X)
    np.testing.assert_allclose(layer(X.astype(np.float32)), expected, atol=1e-3)
    back = tfnorm.Whitening.from_statistics(
        X.mean(0), np.cov(X.T, bias=True), method="pca", n_components=2, epsilon=0.0, invert=True
    )
    assert back(layer(X)).shape == X.shape


def test_float32_and_low_precision():
    expected = adapted()(X)
    np.testing.assert_allclose(adapted(dtype="float32")(X), expected, atol=1e-3)
    y = adapted(dtype="mixed_bfloat16")(X.astype(np.float32))
    assert y.dtype == "bfloat16"
    np.testing.assert_allclose(tf.cast(y, "float64"), expected, atol=0.05)


def test_directions_without_variance_stay_finite():
    data = np.concatenate([X, X[:, :2], np.ones((500, 1))], 1)
    for method in KERNELS:
        y = adapted(data, method, epsilon=1e-6)(data).numpy()
        assert np.isfinite(y).all() and np.abs(y).max() < 10
        assert np.isfinite(adapted(data, method)(data)).all()


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("method, after", [("zca", "dense"), ("cd", "conv"), ("pca", "norm")])
def test_it_folds_into_the_layer_after_it(method, after, invert):
    layer = adapted(IMAGES, method, dtype="float32", invert=invert)
    last = {
        "dense": keras.layers.Dense(3),
        "conv": keras.layers.Conv2D(3, 2),
        "norm": keras.layers.BatchNormalization(),
    }[after]
    model = keras.Sequential([keras.Input(IMAGES.shape[1:]), layer, last])
    folded, difference = tfnorm.fold_normalization(model, IMAGES.astype(np.float32))
    assert difference < 1e-4
    layers = [layer for layer in folded.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert len(layers) == 1 and not isinstance(layers[0], tfnorm.Whitening)


@pytest.mark.parametrize("options", [{"n_components": 1}, {"axis": (1, 2, 3)}], ids=str)
def test_what_is_no_map_of_an_axis_is_not_folded(options):
    layer = adapted(IMAGES, "pca", dtype="float32", **options)
    model = keras.Sequential([keras.Input(IMAGES.shape[1:]), layer, keras.layers.Dense(3)])
    folded, difference = tfnorm.fold_normalization(model, IMAGES.astype(np.float32))
    assert difference == 0.0
    assert isinstance(folded.layers[-2], tfnorm.Whitening)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("options", [{}, {"n_components": 2}, {"axis": (2, 3)}], ids=str)
def test_saved(options, invert, tmp_path):
    layer = adapted(IMAGES, "pca", dtype="float32", **options)
    data = IMAGES.astype(np.float32)
    if invert:
        data = layer(data).numpy()
        layer = adapted(IMAGES, "pca", dtype="float32", invert=True, **options)
    model = keras.Sequential([keras.Input(data.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(data), model(data))
    np.testing.assert_array_equal(loaded.layers[-1].components_, layer.components_)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("options", [{}, {"n_components": 2}], ids=str)
def test_saved_as_h5(options, invert, tmp_path):
    layer = adapted(IMAGES, "pca", dtype="float32", invert=invert, **options)
    model = keras.Sequential([keras.Input(IMAGES.shape[1:]), layer, keras.layers.Dense(2)])
    model.save(tmp_path / "model.h5")
    loaded = keras.saving.load_model(tmp_path / "model.h5")
    data = IMAGES.astype(np.float32)
    np.testing.assert_array_equal(loaded(data), model(data))


def fail_to_adapt(layer):
    with pytest.raises(ValueError, match="must be finite"):
        layer.adapt(iter([X[:300], X * np.nan]))


@pytest.mark.parametrize("before", [lambda layer: layer.adapt(X[:100]), fail_to_adapt])
def test_weights_loaded_from_h5_are_those_of_the_file(before, tmp_path):
    """Not those of data that the layer has seen before."""
    model = keras.Sequential([keras.Input((6,)), adapted()])
    expected = model(X).numpy()
    model.save(tmp_path / "model.h5")
    before(model.layers[0])
    model.load_weights(tmp_path / "model.h5")
    np.testing.assert_array_equal(model(X), expected)


def test_adapted_by_parts():
    layer = adapted(X[:100])
    layer.reset_state()
    for _ in range(2):
        with pytest.raises(ValueError, match="more than 0 rows of data. Received: 0 rows"):
            layer.finalize_state()
    layer.update_state(X[:0])
    with pytest.raises(ValueError, match="more than 0 rows of data. Received: 0 rows"):
        layer.finalize_state()
    layer.update_state(X[:200])
    layer.finalize_state()
    np.testing.assert_allclose(layer(X), adapted(X[:200])(X), atol=1e-9)
    layer.update_state(X[200:])
    layer.finalize_state()
    np.testing.assert_allclose(layer(X), adapted()(X), atol=1e-9)


def test_saved_before_it_is_adapted(tmp_path):
    """As a model is that knows no shape yet."""
    model = keras.Sequential([tfnorm.Whitening(dtype="float64"), keras.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.layers[0].adapt(X)
    np.testing.assert_allclose(loaded.layers[0](X), adapted(epsilon=1e-6)(X), atol=1e-9)


def test_copied_where_it_knows_more_than_its_arguments():
    """The features' sizes, which the components do not tell."""
    layer = adapted(method="pca", n_components=3, invert=True, dtype="float32")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(keras.layers.BatchNormalization()(inputs)))
    z = RNG.normal(size=(5, 3)).astype(np.float32)
    for copy in (
        tfnorm.fold_normalization(model)[0],
        tfnorm.fold_normalization(model, matrices_only=True)[0],
        copying.copy_model(model),
    ):
        np.testing.assert_allclose(copy(z), model(z), rtol=1e-5)


WITHOUT_THE_DATAS_SHAPE = [
    {"n_components": 1},
    {"axis": (2, 3)},
    {"axis": (1, 3), "n_components": 2},
]


@pytest.mark.parametrize("options", [{}, *WITHOUT_THE_DATAS_SHAPE], ids=str)
def test_cloned(options):
    """As Keras clones: for data of the same shape, without their statistics."""
    z = adapted(IMAGES, "pca", **options)(IMAGES).numpy()
    layer = adapted(IMAGES, "pca", invert=True, **options)
    model = keras.Sequential([keras.Input(z.shape[1:]), layer])
    clone = keras.models.clone_model(model)
    again = type(layer).from_config(clone.layers[-1].get_config())
    assert clone(z).shape == again(z).shape == IMAGES.shape
    assert np.abs(clone(z) - model(z)).max() > 1.0
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(z), model(z))
    again.adapt(IMAGES)
    np.testing.assert_allclose(again(z), model(z), atol=1e-5)


@pytest.mark.parametrize("options", WITHOUT_THE_DATAS_SHAPE, ids=str)
def test_a_clone_of_what_was_never_adapted_is_refused(options):
    layer = tfnorm.Whitening("pca", invert=True, **options)
    with pytest.raises(ValueError, match="must be adapted before"):
        type(layer).from_config(layer.get_config())(IMAGES[..., :2])


def test_a_clone_may_be_adapted_to_data_of_another_shape():
    layer = adapted(method="pca", n_components=3, invert=True)
    clone = type(layer).from_config(layer.get_config())
    clone.adapt(X[:, :5])
    assert clone(X[:, :3]).shape == (500, 5)


def test_a_clone_is_saved_before_it_is_built(tmp_path):
    layer = adapted(method="pca", n_components=3, invert=True)
    clone = type(layer).from_config(layer.get_config())
    keras.Sequential([clone]).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded(X[:, :3]).shape == X.shape


def test_saved_without_the_datas_shape_among_the_arguments():
    """As by an earlier version, which saved it with what the layer is built of."""
    layer = adapted(method="pca", n_components=3, invert=True)
    saved = keras.saving.serialize_keras_object(layer)
    del saved["config"]["data_shape"]
    loaded = keras.saving.deserialize_keras_object(saved)
    loaded.set_weights(layer.get_weights())
    np.testing.assert_array_equal(loaded(X[:, :3]), layer(X[:, :3]))


def lengths(layer, x):
    """How many positions of each sample the mask counts that a layer hands on."""
    masked = keras.layers.Masking()(x)
    y = layer(masked)
    return [int(length) for length in np.sum(y._keras_mask, 1)]


@pytest.mark.parametrize("options", [{}, {"method": "pca", "n_components": 1}], ids=str)
@pytest.mark.filterwarnings("error")
def test_a_mask_is_handed_on(options):
    x = np.ones((3, 4, 2), np.float32)
    x[1, 3], x[2, 1:] = 0.0, 0.0
    assert lengths(adapted(x + RNG.normal(size=x.shape), **options), x) == [4, 3, 1]


def test_it_folds_behind_a_mask():
    x = RNG.normal(1.0, 2.0, size=(8, 5, 2)).astype(np.float32)
    x[:, 3:] = 0.0
    inputs = keras.Input((5, 2))
    y = adapted(x, dtype="float32")(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, keras.layers.LSTM(3)(keras.layers.Activation("relu")(y)))
    folded, difference = tfnorm.fold_normalization(model, x)
    assert not any(isinstance(layer, tfnorm.Whitening) for layer in folded.layers)
    assert difference < 1e-5


def test_in_a_dataset_and_of_unknown_sizes():
    layer = adapted(IMAGES, dtype="float32")
    images = IMAGES.astype(np.float32)
    batch = next(iter(tf.data.Dataset.from_tensor_slices(images).batch(60).map(layer)))
    np.testing.assert_allclose(batch, layer(images), atol=1e-6)
    model = keras.Sequential([keras.Input((None, None, 2)), layer])
    assert model(images[:, :2]).shape == (60, 2, 4, 2)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"method": "ica"}, "Received: method='ica'"),
        ({"method": ["zca"]}, r"Received: method=\['zca'\]"),
        ({"ddof": np.array([0, 1])}, "`ddof` must be 0 or 1. Received: ddof=array"),
        ({"method": "zca", "n_components": 2}, "`n_components` is for pca and pca_cor"),
        ({"method": "pca", "n_components": 0}, "`n_components` must be a positive integer"),
        ({"epsilon": -1}, "`epsilon` must be"),
        ({"axis": 0}, "`axis` must be"),
        ({"axis": (1, 0)}, "`axis` must be"),
        ({"axis": 1.5}, "`axis` must be"),
        ({"ddof": 2}, "`ddof` must be 0 or 1. Received: ddof=2"),
        ({"invert": "False"}, "`invert` must be True or False"),
    ],
)
def test_arguments_that_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        tfnorm.Whitening(**options)


@pytest.mark.parametrize(
    "action, said",
    [
        (lambda: adapted(np.zeros((0, 3))), "more than 0 rows of data. Received: 0 rows"),
        (lambda: adapted().adapt(X[:0]), "more than 0 rows of data. Received: 0 rows"),
        (lambda: tfnorm.Whitening().finalize_state(), "more than 0 rows of data. Received: 0 rows"),
        (lambda: adapted(X[:1], ddof=1), "more than 1 rows of data. Received: 1 rows"),
        (lambda: adapted(np.zeros(3)), r"must be \(n, ...\).* Received: shape=\(3,\)"),
        (lambda: adapted(np.full((3, 2), np.nan)), "must be finite"),
        (lambda: adapted(np.full((3, 2), 1j)), "must be real .* Received: dtype=complex128"),
        (lambda: adapted(np.full((3, 2), "a")), "must be real .* Received: dtype=<U1"),
        (lambda: adapted(tf.sparse.eye(3)), "dense, n samples. Received: SparseTensor"),
        (lambda: adapted(tf.ragged.constant([[1.0], [2.0, 3.0]])), "Received: RaggedTensor"),
        (lambda: adapted(iter([X, X[:, :3]])), r"of sizes \(6,\) .* Received: shape=\(500, 3\)"),
        (lambda: adapted(axis=3), "Received: axis=3, rank=2"),
        (lambda: adapted(method="pca", n_components=7), "at most the number of features, 6"),
        (lambda: tfnorm.Whitening("pca", 2, invert=True)(X), "must be adapted before"),
        (lambda: adapted()(X[:, :5]), "expected axis 1 of input shape to have value 6"),
        (lambda: adapted()(X[np.newaxis]), "expected ndim=2, found ndim=3"),
        (lambda: adapted().adapt(X, steps=0), "`steps` must be a positive integer"),
        (lambda: tfnorm.Whitening.from_statistics(X, X), "Received: mean.shape="),
        (lambda: tfnorm.Whitening.from_statistics([0.0, 0], [[1, 2], [0, 1]]), "symmetric"),
        (lambda: tfnorm.Whitening.from_statistics([0.0, 0], np.diag([np.inf, 1])), "finite and"),
        (lambda: tfnorm.Whitening.from_statistics([0.0, 0], np.diag([-1, 1])), "no negative var"),
    ],
)
def test_data_that_are_refused(action, said):
    with pytest.raises(ValueError, match=said):
        action()


def test_before_it_is_adapted_it_changes_nothing():
    np.testing.assert_array_equal(tfnorm.Whitening(dtype="float64")(X), X)
    np.testing.assert_array_equal(tfnorm.Whitening("pca", 2, dtype="float64")(X), X[:, :2])
