import numpy as np
import pytest

from gan.metrics.density_coverage import density_coverage


@pytest.fixture
def random():
    return np.random.default_rng(0)


def _brute_force(generated, real, k):
    """The paper's equations, by all distances at once."""
    among = np.linalg.norm(real[:, None] - real[None], axis=-1)
    radii = np.sort(among, 1)[:, k]  # The first is its own, 0.
    inside = np.linalg.norm(real[:, None] - generated[None], axis=-1) <= radii[:, None]
    return inside.sum() / (k * len(generated)), inside.any(1).mean()


@pytest.mark.parametrize("block", [7, 1024])
@pytest.mark.parametrize("k", [1, 5])
def test_against_pairs(random, k, block):
    generated, real = random.normal(size=(30, 4)) * 0.7, random.normal(size=(37, 4)) + 0.3
    expected = _brute_force(generated, real, k)
    assert 0 < min(expected) and expected[1] < 1 and expected[0] != expected[1]
    np.testing.assert_allclose(density_coverage(generated, real, k, block), expected, rtol=1e-14)
    turned = density_coverage(real, generated, k, block)
    assert turned != pytest.approx(expected)


def test_what_the_paper_says_of_it(random):
    real = random.normal(size=(60, 5))
    assert density_coverage(real + 100, real) == (0, 0)
    density, coverage = density_coverage(real, real)
    assert coverage == 1 and density == pytest.approx(1, abs=0.3)
    # One generated image, many times, where the real ones are dense: it covers what is near.
    density, coverage = density_coverage(np.zeros([20, 5]), real)
    assert density > 1 and coverage < 0.5
    # An outlier among the generated ones is worth nothing.
    far = np.concatenate([real[:10], [np.full(5, 30.0)]])
    assert density_coverage(far, real)[1] == density_coverage(real[:10], real)[1]


def test_mistakes(random):
    rows = random.normal(size=(6, 3))
    with pytest.raises(ValueError, match="Received: neighbours=0, block=1024"):
        density_coverage(rows, rows, 0)
    with pytest.raises(ValueError, match=r"`real` .* 6 samples. Received: features.shape=\(5, 3\)"):
        density_coverage(rows, rows[:5])
