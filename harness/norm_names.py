"""What normalizations are called: in configurations, on the command line and in tables."""

import re

from harness.tables import names_in


def norms():
    """The names of all normalizations, as `--norm` takes them."""
    return (*names_in("harness.norms", "PLAIN_NORMS"), *whitenings())


def whitenings():
    """The names of those that whiten."""
    return names_in("tfnorm.functional.whitening", "WHITENERS")


def estimates():
    """What a whitening's moving average may follow for inference."""
    return names_in("tfnorm.functional.whitening", "ESTIMATES")


def recoveries():
    """What may follow a normalization."""
    return names_in("harness.norms", "RECOVERIES")


def alpha_constraints():
    """Where unitization's alpha may be kept."""
    return names_in("harness.norms", "ALPHA_CONSTRAINTS")


def grouped():
    """The names of those that work in groups of channels of a given size."""
    return (*whitenings(), "gn", "gw")


def parse_norm(text):
    """The `norm` and `group_size` that a text stands for, a dict.

    "zca-64" is ZCA in groups of 64 channels, and "gn-16" group normalization in groups of 16.
    Without a group size, as "bn" or "zca", all channels of a site are one group.
    """
    norm, dash, size = text.partition("-")
    # One spelling for each, so that a norm is not named twice: zca-016 is none.
    has_size = norm in grouped() and re.fullmatch(r"[1-9][0-9]{0,4}", size) is not None
    if norm not in norms() or (dash and not has_size):
        raise ValueError(
            f"A norm must be one of {', '.join(norms())}, and {', '.join(grouped())} may have a "
            f"group size in channels, as zca-64. Received: norm={text!r}"
        )
    return {"norm": norm, "group_size": int(size) if dash else None}


def is_norm(text):
    """Whether `parse_norm` takes a text."""
    try:
        parse_norm(text)
    except ValueError:
        return False
    return True


def norm_text(norm, group_size):
    """The text that `parse_norm` takes for a norm and its group size."""
    return norm if group_size is None else f"{norm}-{group_size}"
