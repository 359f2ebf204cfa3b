"""Programs called in this process: their flags, and what they say."""

import contextlib
import importlib
import io
import signal
import typing

from absl import flags

from harness import help_page, program

PROGRAMS = (
    *(f"{package}.{name}" for package in ("gan", "classify") for name in ("train", "evaluate")),
    *("gan.sample", "gan.train_features", "gan.experiment", "classify.experiment"),
    "tfnorm.benchmark",
)
_SECONDS = 20


class Said(typing.NamedTuple):
    """What came of a call: its exit code, and what it printed."""

    code: int
    out: str
    error: str


class Commands:
    """Calls programs, each with flags of its own.

    Args:
        monkeypatch: pytest's.
    """

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    def flags(self, name):
        """Defines the flags of a program; returns their names."""
        self._begin(name)
        return set(flags.FLAGS)

    def __call__(self, name, *arguments):
        """Calls a program; an exception that it would show the traceback of is raised here."""
        module = self._begin(name)
        parse, guarded = program.parse, program.guarded
        if name == "tfnorm.benchmark":
            parse, guarded = lambda usage, argv: module.parse(argv), module.guarded
        out, error = io.StringIO(), io.StringIO()
        with _limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                parse(module.USAGE, [name, *arguments])
                guarded(module.main)
                code = 0
            except SystemExit as left:
                code = left.code
        return Said(code, out.getvalue(), error.getvalue())

    def _begin(self, name):
        self._monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
        self._monkeypatch.setattr(help_page, "_groups", {})
        is_package = name == "tfnorm.benchmark"
        module = importlib.import_module(f"{name}.__main__" if is_package else name)
        module.define_flags()
        return module


@contextlib.contextmanager
def _limited():
    """Raises `TimeoutError` in what takes too long."""

    def late(number, frame):
        raise TimeoutError(f"It takes more than {_SECONDS} s.")

    usual = signal.signal(signal.SIGALRM, late)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, usual)
