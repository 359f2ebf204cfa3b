"""Conditioning against constructed covariances."""

import numpy as np
import pytest

from tests import reference
from tfnorm.analysis.conditioning import conditioning
from tfnorm.analysis.stochasticity import normalization

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(200, 5)) @ RNG.normal(size=(5, 5)) + 7.0


def with_covariance(covariance, n=50):
    """Rows whose covariance is this one exactly."""
    white = reference.whiten(RNG.normal(size=(n, len(covariance))), method="zca", epsilon=0.0)
    return white @ np.linalg.cholesky(covariance).T + 3.0


def test_a_constructed_covariance():
    rotation, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    covariance = rotation @ np.diag([0.5, 2.0, 8.0]) @ rotation.T
    (measured,) = conditioning(with_covariance(covariance))
    np.testing.assert_allclose(measured.eigenvalues, [0.5, 2.0, 8.0])
    np.testing.assert_allclose(measured.condition_number, 16.0)
    np.testing.assert_allclose(measured.deviation, abs(covariance - np.eye(3)).max())


def test_groups_against_numpy():
    measured = conditioning(DATA, group_size=2)
    assert [len(group.eigenvalues) for group in measured] == [2, 2, 1]
    for group, channels in zip(measured, reference.group_slices(5, 2), strict=True):
        covariance = np.atleast_2d(np.cov(DATA[:, channels].T, bias=True))
        np.testing.assert_allclose(group.eigenvalues, np.linalg.eigvalsh(covariance), rtol=1e-9)
        np.testing.assert_allclose(group.condition_number, np.linalg.cond(covariance), rtol=1e-9)


def test_positions_of_maps_are_rows():
    (from_rows,), (from_maps,) = conditioning(DATA), conditioning(DATA.reshape(10, 4, 5, 5))
    np.testing.assert_array_equal(from_rows.eigenvalues, from_maps.eigenvalues)


@pytest.mark.parametrize("method", ["pca", "zca", "cd"])
def test_whitened_up_to_epsilon(method):
    epsilon = 0.1
    (measured,) = conditioning(normalization(method, epsilon=epsilon)(DATA))
    before = np.linalg.eigvalsh(reference.covariance(DATA))
    if method != "cd":  # whose covariance is not a function of the covariance before
        np.testing.assert_allclose(measured.eigenvalues, before / (before + epsilon), rtol=1e-8)
    (exact,) = conditioning(normalization(method, epsilon=0.0)(DATA))
    np.testing.assert_allclose(exact.condition_number, 1.0, rtol=1e-8)
    assert exact.deviation < 1e-8


def test_a_shrunk_output_is_well_conditioned_and_not_white():
    (measured,) = conditioning(with_covariance(0.25 * np.eye(4)))
    np.testing.assert_allclose(measured.condition_number, 1.0)
    np.testing.assert_allclose(measured.deviation, 0.75)


@pytest.mark.parametrize(
    "rows", [DATA[:4], DATA[:, [0, 0, 1]], np.ones((9, 3))], ids=["few", "twice", "constant"]
)
def test_a_singular_covariance(rows):
    (measured,) = conditioning(rows)
    assert measured.condition_number == np.inf


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((DATA, 0), "Received: group_size=0"),
        ((DATA[0],), r"Received: rows.shape=\(5,\)"),
        ((np.nan * DATA,), "Received: 1000 of 1000 values are not"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        conditioning(*arguments)
