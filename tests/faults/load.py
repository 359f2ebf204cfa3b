"""Measures what long work takes of a machine, in one process.

    python -m tests.faults.load --kind=evaluations --amount=200 --folder=FOLDER

Kinds, and what --amount counts: `images` of one gan.evaluate, `evaluations` of 200 images,
`minutes` of a training of gan.train, `runs` of classify.train one after another. It prints rows of
a table: at each quarter of the work, in the order of time, memory (resident, MB), open files and
threads; and at last the bytes in the folder. Memory that grows from quarter to quarter is a leak.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import signal
import threading

import numpy as np

from gan import comparison, presets, run
from gan.config import Config
from harness.errors import UserError


class Watch:
    """What this process takes: a row at each call, (MB, open files, threads)."""

    def __init__(self):
        self.rows = []

    def __call__(self):
        status = dict(
            line.split(":", 1)
            for line in pathlib.Path("/proc/self/status").read_text().splitlines()
        )
        memory = int(status["VmRSS"].split()[0]) / 1024
        self.rows.append((memory, len(os.listdir("/proc/self/fd")), int(status["Threads"])))

    @contextlib.contextmanager
    def each(self, seconds):
        """Calls itself each so many seconds meanwhile."""
        over = threading.Event()

        def look():
            while not over.wait(seconds):
                self()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def images(amount, folder, watch):
    """Evaluates so many images, half on each side, of 8x8 pixels."""
    _evaluate(folder, amount // 2, watch)


def evaluations(amount, folder, watch):
    """Evaluates 200 images so often."""
    for _ in range(amount):
        _evaluate(folder, 100, None)
        watch()


def minutes(amount, folder, watch):
    """Trains for so long, and is then interrupted."""
    config = dataclasses.replace(
        presets.PRESETS["quickstart"],
        generator_filters=8,
        discriminator_filters=8,
        batch_size=8,
        steps=10_000_000,
        log_every=10,
        checkpoint_every=50,
        eval_every=200,
        eval_samples=80,
    )
    timer = threading.Timer(60 * amount, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    with watch.each(max(1, 0.6 * amount)), contextlib.suppress(UserError):
        run.Run(config, folder / "run").train()


def runs(amount, folder, watch):
    """Does so many runs."""
    from classify.presets import PRESETS
    from classify.run import Run

    config = dataclasses.replace(
        PRESETS["quickstart"], width=16, depth=2, steps=40, eval_every=20, checkpoint_every=20
    )
    for number in range(amount):
        Run(dataclasses.replace(config, seed=number), folder / f"run{number}").train()
        watch()


KINDS = {"images": images, "evaluations": evaluations, "minutes": minutes, "runs": runs}


def _evaluate(folder, count, watch):
    pair = {}
    for seed, side in enumerate(("generated", "reference")):
        pair[side] = str(folder / f"{side}{count}.npz")
        if not os.path.exists(pair[side]):
            pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), np.uint8)
            np.savez(pair[side], images=pixels)
    config = dataclasses.replace(Config(), features="digits", eval_samples=count)
    asked = comparison.Asked(["frechet_distance"], 0, None, str(folder / "out.json"))
    with contextlib.nullcontext() if watch is None else watch.each(0.5):
        comparison.compare_pair(pair, config, None, asked)


def table(kind, amount, rows, size):
    """The rows of a Markdown table; what starting takes, the first tenth, is left out."""
    rows = np.array(rows)[len(rows) // 10 :]
    quarters = np.array_split(rows, 4)
    lines = []
    for name, column in (("memory, MB", 0), ("open files", 1), ("threads", 2)):
        values = " | ".join(f"{np.median(part[:, column]):.0f}" for part in quarters)
        lines.append(f"| {amount:,} {kind} | {name} | {values} |")
    return [*lines, f"| {amount:,} {kind} | disk at the end, bytes | | | | {size:,} |"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--amount", type=int, required=True)
    parser.add_argument("--folder", required=True, help="for what is written; it has to be new")
    given = parser.parse_args()
    place = pathlib.Path(given.folder)
    place.mkdir(parents=True)
    os.environ["XDG_CACHE_HOME"] = str(place)
    seen = Watch()
    KINDS[given.kind](given.amount, place, seen)
    total = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    print("\n".join(table(given.kind, given.amount, seen.rows, total)))
