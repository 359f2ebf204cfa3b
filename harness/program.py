"""Runs a program: its flags, and one line for a user's mistake.

Importing it takes next to nothing: until signals are handled, Ctrl-C is a traceback.
"""

import contextlib
import io
import os
import signal
import sys

from harness.errors import Diverged, UserError, of_memory

# The level of TensorFlow's C++ library that tells nothing but what ends the process.
_SILENT = "3"
# What Keras is to read where it is imported: it computes with TensorFlow, in float32 and channels
# last, as it does where there is no keras.json, whatever a user's own says. This folder has none.
_KERAS = {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}
# Ctrl-C, and what ends a process that is asked to end.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# The number of what standard error leads to, also where it leads nowhere for a while.
_shown = 2


def run(main, usage, define):
    """Runs a program: parses its flags, calls `main()`, and turns a user's mistake into one line.

    Args:
        main: function without arguments.
        usage: what `--help` says above the flags.
        define: function without arguments that defines the flags; not done where a program is
            imported, as there may be another.
    """
    handle_signals()
    _open_what_is_closed()
    open_output()
    from absl import app

    define()
    try:
        app.run(lambda argv: guarded(main), flags_parser=lambda argv: parse(usage, argv))
    except KeyboardInterrupt:
        _leave("Interrupted.")
    finally:
        _leave_on_interrupt()


def handle_signals():
    """From here on Ctrl-C and SIGTERM end the process by `interrupt`: the first that it does."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's `&` has it
            signal.signal(number, interrupt)


def parse(usage, argv):
    """Parses the flags of a command line, and leaves where nothing but to tell is asked for.

    Args:
        usage: as in `run`.
        argv: the program's name and its arguments.

    Raises:
        SystemExit: with 0 after `--help` and `--version`, with 1 after a line about a mistake.
    """
    from absl import flags as absl_flags

    from harness import help_page, versions

    asked = {argument.lstrip("-") for argument in argv[1:] if argument.startswith("-")}
    if {"help", "h", "helpfull", "helpshort"} & asked:
        print(help_page.text(usage))
        sys.exit(0)
    if "version" in asked:
        print(versions.installed())
        sys.exit(0)
    try:
        rest = absl_flags.FLAGS(argv)
    except (UnicodeDecodeError, absl_flags.CantOpenFlagFileError) as error:
        said = str(error).removeprefix("ERROR:: ")
        _leave(f"--flagfile must be a file of flags, text in UTF-8. Received: {said}")
    except (absl_flags.Error, ValueError) as error:
        _leave(f"{str(error).splitlines()[0]} (see --help)")
    if rest[1:]:
        _leave(f"Arguments are flags, --name=value. Received: {' '.join(rest[1:])}")
    return rest


def guarded(main):
    """Calls `main()`; what a user can mend ends in a line and exit code 1, as `SystemExit`.

    A fault of the program's own keeps its traceback.
    """
    try:
        main()
    except (UserError, Diverged) as error:
        _leave(str(error))
    except OSError as error:  # no space, no permission, a name too long
        _leave(str(error))
    except Exception as error:
        said = of_memory(error)
        if said is None:
            raise
        _leave(said)


def load_tensorflow():
    """Imports TensorFlow, whose libraries then tell of what goes wrong and of nothing else.

    Its C++ library tells standard error what it was compiled for and which drivers it misses,
    before a program can tell it not to. Meanwhile standard error leads nowhere, unless
    TF_CPP_MIN_LOG_LEVEL is below 3: what matters reaches Python as an exception. It imports Keras,
    which is as a program means it, here and in the processes that are started from here.

    Raises:
        UserError: the environment names another backend of Keras than TensorFlow.
    """
    import logging

    import absl.logging

    _set_keras()
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _SILENT)
    if level == _SILENT and "tensorflow" not in sys.modules:
        _import_in_silence()
    # What libraries tell about their progress is not the program's own to tell.
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    absl.logging.set_verbosity(absl.logging.WARNING)


def _set_keras():
    backend = os.environ.get("KERAS_BACKEND")
    if backend and backend != _KERAS["KERAS_BACKEND"]:
        raise UserError(
            "The environment variable KERAS_BACKEND must be tensorflow, or not be set. "
            f"Received: KERAS_BACKEND={backend}"
        )
    os.environ |= _KERAS


def _import_in_silence():
    global _shown
    sys.stderr.flush()
    shown = _shown = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(shown, 2)
        _shown = 2
        os.close(shown)
        os.close(nowhere)


def _open_what_is_closed():
    """Opens nowhere in the place of a standard stream that is closed.

    Otherwise the next file that is opened would get its number, and what is meant for a screen.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))


class _Output(io.FileIO):
    """A file that no failure to write ends a program by: the rest leads nowhere then.

    Its reader, as `head`, may want the beginning only. Of anything else, as a full disk, one line
    on standard error tells: what a program does counts more than what it prints.
    """

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if self.fileno() == 1 and not isinstance(error, BrokenPipeError):
                _tell(f"Standard output cannot be written: {error.strerror}. It is left out.")
            return len(data)


def _tell(line):
    """Writes a line to standard error, wherever that leads for a while."""
    with contextlib.suppress(OSError):  # It may be closed.
        os.write(_shown, f"{line}\n".encode())


def open_output():
    """Makes of the standard streams what no reader, full disk or encoding ends a program by.

    What an encoding, as ascii or cp932, does not have is shown as an escape.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        was = getattr(sys, name)
        was.flush()
        output = io.TextIOWrapper(
            io.BufferedWriter(_Output(number, "w", closefd=False)),
            encoding=was.encoding,
            errors="backslashreplace",
            line_buffering=number == 2 or was.line_buffering or was.write_through,
        )
        setattr(sys, name, output)


def interrupt(number, frame):
    """What Ctrl-C and SIGTERM do where nothing waits to be saved: they end it at once, in one line.

    An exception would not do. Imports and finalizers drop it, and TensorFlow, where it traces a
    function, makes another of it. What is not finished beside its files, the next start sweeps up.
    """
    with contextlib.suppress(Exception):  # It may have come while this was written.
        sys.stdout.flush()
    _tell("error: Interrupted.")
    os._exit(1)


def _leave_on_interrupt():
    """From here on a signal ends the process at once: TensorFlow takes seconds to be taken down."""
    for number in _SIGNALS:
        if signal.getsignal(number) is interrupt:
            signal.signal(number, signal.SIG_DFL)


def _leave(message):
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)
