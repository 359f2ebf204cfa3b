"""What a program tells a user: a mistake in one line, and a run that failed by its numbers."""

import re


class UserError(Exception):
    """A user's mistake. The message is one line: what is wrong, what was received, what to do.

    A program prints the message on standard error and exits with code 1, without a traceback.
    """


class Interrupted(UserError):
    """A run was asked to leave, and did in good order: it is saved, and goes on from there."""


class Diverged(Exception):
    """A run cannot go on because its numbers are not finite: what it was configured for failed.

    Nobody's mistake, and so no `UserError`; a program prints the message likewise.
    """


_NAMED = 5


def some_of(names):
    """The first few of many names, in words."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def of_memory(error):
    """What to say of an error if it is that there is no more memory; None if it is another.

    NumPy's is a `MemoryError`. TensorFlow has a type of its own, which may be lost on the way out
    of a function that it traces.
    """
    said = str(error)
    exhausted = "ResourceExhaustedError" in said or "OOM when allocating" in said
    of_tensorflow = type(error).__name__ in ("ResourceExhaustedError", "StagingError")
    if not isinstance(error, MemoryError) and not (of_tensorflow and exhausted):
        return None
    tensor = re.search(r"OOM when allocating tensor with shape\[[\d,]*\]", said)
    return (
        "There is not enough memory: a smaller --batch_size, smaller images and a smaller network "
        f"need less. Received: {tensor[0] if tensor else said[:200] or type(error).__name__}"
    )
