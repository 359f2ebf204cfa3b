"""What every program shares: flags from a configuration, and one line for a user's mistake."""


class UserError(Exception):
    """A user's mistake. The message is one line: what is wrong, what was received, what to do.

    A program prints the message on standard error and exits with code 1, without a traceback.
    """
