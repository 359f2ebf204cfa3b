"""The tables of docs/exactness.md: `python docs/exactness.py`, some ten seconds of a core.

Each is of the greatest difference between what this package computes, in float32 and float64, and
what scikit-learn, SciPy or a few lines of NumPy do in float64, at several condition numbers.
"""

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf
from sklearn.decomposition import PCA

import tfnorm
from tfnorm.functional import cholesky_whitening, inverse_sqrt, sqrt

CONDITIONS = (1e2, 1e4, 1e6)
ROWS, FEATURES, SIZE, COUNT = 5000, 64, 32, 8
DTYPES = ("float32", "float64")


def covariances(condition, count, size, seed=0):
    """Symmetric matrices (count, size, size) with eigenvalues from 1 / condition to 1."""
    rng = np.random.default_rng(seed)
    bases = np.linalg.qr(rng.normal(size=(count, size, size)))[0]
    eigenvalues = np.geomspace(1.0 / condition, 1.0, size)
    return np.einsum("nij,j,nkj->nik", bases, eigenvalues, bases)


def data(condition):
    """Rows whose covariance has this condition number, to what a sample has."""
    root = np.linalg.cholesky(covariances(condition, 1, FEATURES)[0])
    return 3.0 + np.random.default_rng(1).normal(size=(ROWS, FEATURES)) @ root.T


def of_numpy(x, method):
    """Whitens by the singular values of centred data, or its covariance's Cholesky factor."""
    centred = x - x.mean(0)
    if method.endswith("_cor"):
        centred = centred / centred.std(0)
    if method == "cd":
        factor = np.linalg.cholesky(centred.T @ centred / len(x))
        return scipy.linalg.solve_triangular(factor, centred.T, lower=True).T
    u, _, v = np.linalg.svd(centred, full_matrices=False)
    u *= np.sqrt(len(x))
    if method.startswith("zca"):
        return u @ v
    largest = np.take_along_axis(v, np.abs(v).argmax(1)[:, None], axis=1)[:, 0]
    return u * np.sign(largest)


def of_scikit_learn(x, like):
    """PCA(whiten=True), whose signs are its own: turned to those of `like`."""
    y = PCA(whiten=True, svd_solver="full").fit_transform(x)
    return y * np.sign(np.sum(y * like, axis=0))


def whitened(x, method, dtype, ddof=0):
    layer = tfnorm.Whitening(method, epsilon=0.0, ddof=ddof, dtype=dtype)
    layer.adapt(x)
    return layer(x.astype(dtype)).numpy().astype(np.float64)


def print_whitening():
    table = []
    for condition in CONDITIONS:
        x = data(condition)
        for dtype in DTYPES:
            y = whitened(x, "pca", dtype, ddof=1)
            table.append(
                ["pca, scikit-learn", dtype, condition, greatest(y, of_scikit_learn(x, y))]
            )
            for method in ("pca", "zca", "cd", "pca_cor", "zca_cor"):
                difference = greatest(whitened(x, method, dtype), of_numpy(x, method))
                table.append([f"{method}, NumPy", dtype, condition, difference])
    print_by_condition("method, by", table)


def greatest(actual, expected):
    return np.abs(actual - expected).max()


def relative(actual, expected):
    return greatest(actual, expected) / np.abs(expected).max()


def root_of_scipy(matrix):
    return scipy.linalg.sqrtm(matrix).real


def newton(sigma, steps=5):
    p, trace = np.eye(len(sigma)), np.trace(sigma)
    for _ in range(steps):
        p = (3 * p - p @ p @ p @ sigma / trace) / 2
    return p / np.sqrt(trace)


def inverse_root_of_scipy(matrix):
    return scipy.linalg.inv(root_of_scipy(matrix))


def by_newton(function, iterations):
    return lambda matrices: function(matrices, method="newton", iterations=iterations)


# By name what this package computes of matrices, and SciPy or NumPy of one.
ROOTS = {
    "sqrt": (sqrt, root_of_scipy),
    "sqrt, newton, 20 steps": (by_newton(sqrt, 20), root_of_scipy),
    "sqrt, newton, 5 steps, by NumPy's 5": (
        by_newton(sqrt, 5),
        lambda matrix: matrix @ newton(matrix),
    ),
    "inverse_sqrt": (inverse_sqrt, inverse_root_of_scipy),
    "inverse_sqrt, newton, 20 steps": (by_newton(inverse_sqrt, 20), inverse_root_of_scipy),
    "inverse_sqrt, newton, 5 steps, by NumPy's 5": (by_newton(inverse_sqrt, 5), newton),
    "cholesky_whitening": (
        cholesky_whitening,
        lambda matrix: scipy.linalg.inv(scipy.linalg.cholesky(matrix, lower=True)),
    ),
}


def slopes(function, matrices, directions, weights, step):
    """Derivatives of `sum(weights * function(matrix))` along directions: central differences.

    By Richardson's extrapolation of two steps, so that the error is of the step's fourth power.
    """

    def difference(step):
        return np.array(
            [
                np.sum(weight * (function(a + step * d) - function(a - step * d))) / (2 * step)
                for a, d, weight in zip(matrices, directions, weights, strict=True)
            ]
        )

    return (4 * difference(step / 2) - difference(step)) / 3


def gradient_slopes(function, matrices, directions, weights, dtype):
    matrices, directions, weights = (
        tf.constant(each, dtype) for each in (matrices, directions, weights)
    )
    with tf.GradientTape() as tape:
        tape.watch(matrices)
        loss = tf.reduce_sum(weights * function(matrices))
    slopes = tf.reduce_sum(tape.gradient(loss, matrices) * directions, axis=[1, 2])
    return slopes.numpy().astype(np.float64)


def print_roots():
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(COUNT, SIZE, SIZE))
    values, gradients = [], []
    for condition in (1.0, *CONDITIONS):
        matrices = covariances(condition, COUNT, SIZE)
        directions = rng.normal(size=matrices.shape)
        directions = (directions + np.swapaxes(directions, 1, 2)) / 2
        for name, (ours, theirs) in ROOTS.items():
            expected = np.stack([theirs(matrix) for matrix in matrices])
            # A hundredth of the least eigenvalue, by the directions' largest.
            step = 0.01 / condition / np.linalg.norm(directions, 2, axis=(1, 2)).max()
            along = slopes(theirs, matrices, directions, weights, step)
            for dtype in DTYPES:
                actual = ours(tf.constant(matrices, dtype)).numpy().astype(np.float64)
                values.append([name, dtype, condition, relative(actual, expected)])
                found = gradient_slopes(ours, matrices, directions, weights, dtype)
                gradients.append([name, dtype, condition, relative(found, along)])
    print_by_condition("root", values)
    print_by_condition("gradient", gradients)


MATRICES = {
    "itn": newton,
    "zca": inverse_root_of_scipy,
    "cd": lambda sigma: np.linalg.inv(np.linalg.cholesky(sigma)),
}


def group_whitened(x, groups, method, epsilon):
    """A sample (positions, channels): the groups are whitened over positions and their channels."""
    positions, channels = x.shape
    rows = x.reshape(positions, groups, -1).transpose(1, 0, 2).reshape(groups, -1)
    rows = rows - rows.mean(1, keepdims=True)
    sigma = rows @ rows.T / rows.shape[1] + epsilon * np.eye(groups)
    rows = MATRICES[method](sigma) @ rows
    return rows.reshape(groups, positions, -1).transpose(1, 0, 2).reshape(positions, channels)


def print_samples(channels=16, epsilon=1e-5):
    """GroupWhitening and CovariancePooling of images whose channels have a condition number."""
    table = []
    for condition in CONDITIONS:
        root = np.linalg.cholesky(covariances(condition, 1, channels)[0])
        x = np.random.default_rng(3).normal(size=(COUNT, 64, channels)) @ root.T
        for dtype in DTYPES:
            images = tf.constant(x.reshape(COUNT, 8, 8, channels), dtype)
            for method in MATRICES:
                differences = []
                for groups in (2, 4, 8, 16):
                    layer = tfnorm.GroupWhitening(
                        groups, method=method, epsilon=epsilon, dtype=dtype
                    )
                    y = layer(images).numpy().reshape(x.shape)
                    expected = [group_whitened(each, groups, method, epsilon) for each in x]
                    differences.append(greatest(y, np.stack(expected)))
                title = f"GroupWhitening, {method}, 2 to 16 groups"
                table.append([title, dtype, condition, max(differences)])
            layer = tfnorm.CovariancePooling("eigh", epsilon=epsilon, triangle=False, dtype=dtype)
            sigmas = [np.cov(each, rowvar=False, bias=True) for each in x]
            expected = [root_of_scipy(sigma + epsilon * np.eye(channels)) for sigma in sigmas]
            difference = relative(layer(images).numpy(), np.stack(expected))
            table.append(["CovariancePooling, eigh", dtype, condition, difference])
    print_by_condition("layer", table)


def print_by_condition(what, table):
    """Prints rows (name, dtype, condition, difference), a column a condition and dtype."""
    columns = list(dict.fromkeys((dtype, condition) for _, dtype, condition, _ in table))
    columns.sort(key=lambda column: DTYPES.index(column[0]))
    cells = {(name, dtype, condition): value for name, dtype, condition, value in table}
    titles = [f"{dtype}, {condition:.0e}" for dtype, condition in columns]
    print(f"\n| {what} | {' | '.join(titles)} |\n" + "|---" * (1 + len(titles)) + "|")
    for name in dict.fromkeys(row[0] for row in table):
        print(
            f"| {name} | " + " | ".join(f"{cells[name, *column]:.0e}" for column in columns) + " |"
        )


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    print_whitening()
    print_roots()
    print_samples()
