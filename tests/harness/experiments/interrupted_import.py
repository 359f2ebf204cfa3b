"""A job that is interrupted while its process, which is to do it, imports this module.

By Ctrl-C at a terminal, which all processes of the foreground get, this one before the other.
"""

import dataclasses
import multiprocessing
import os
import pathlib
import signal
import time

from harness.errors import UserError
from harness.experiments.experiment import Experiment, Job
from harness.experiments.processes import in_own_process
from harness.experiments.sweep import Sweep

if multiprocessing.current_process().name != "MainProcess":
    for process in (os.getpid(), os.getppid()):
        os.kill(process, signal.SIGINT)
        time.sleep(0.1)
    time.sleep(60)


@dataclasses.dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


def carry_out(config, directory):
    """Is not come to."""


def main(path):
    """Does an experiment of one job, and says how that ended."""
    experiment = Experiment("test", "", (), None, carry_out, "product", str, None)
    sweep = Sweep(pathlib.Path(path), experiment)
    try:
        sweep.carry_out([Job("a", Config())], in_own_process)
    except UserError as error:
        print(error)
