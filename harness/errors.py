"""What a program tells a user: a mistake in one line, and a run that failed by its numbers."""


class UserError(Exception):
    """A user's mistake. The message is one line: what is wrong, what was received, what to do.

    A program prints the message on standard error and exits with code 1, without a traceback.
    """


class Diverged(Exception):
    """A run cannot go on because its numbers are not finite: what it was configured for failed.

    Nobody's mistake, and so no `UserError`; a program prints the message likewise.
    """
