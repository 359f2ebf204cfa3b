"""What tests of bounds share."""


def assert_at_most(value, bound, scale=0.0):
    """value <= bound, but for rounding of the bound and of numbers of a scale."""
    assert value <= bound * (1 + 1e-9) + 1e-14 * scale
