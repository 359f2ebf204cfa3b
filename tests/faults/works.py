"""Programs that measure, draw and experiment, each with the least that it can do, and its results.

Of what comes of one, `results` tells in a form that is the same, to the last bit, whenever it has
done the same.
"""

import pathlib
import typing

import numpy as np

from harness.files import is_aside
from harness.run import lock
from tests.faults import runs

INPUT, OUT = "INPUT", "OUT"
# What a directory has that is no result: times, and what a run goes on from.
_NO_RESULTS = ("events", "logs")
# Files whose bytes are by the order in which a process has made its objects.
_UNORDERED = ("saved_model.pb", "fingerprint.pb", ".sha256")


class Work(typing.NamedTuple):
    """A program, and what it is to do.

    Attributes:
        name: as `python -m NAME` has it.
        flags: INPUT in them stands for the directory of what it reads, OUT for that of its results.
        of: which of `runs.PROGRAMS` makes what it reads, a run; None: it reads nothing.
        product: what each job of an experiment writes last; None: it is no experiment.
        writes_long: whether it writes for long enough to be met while it does.
    """

    name: str
    flags: tuple[str, ...]
    of: str | None = None
    product: str | None = None
    writes_long: bool = True

    def command(self, read, out):
        """Its name and arguments."""
        places = {INPUT: str(read), OUT: str(out)}
        flags = []
        for flag in self.flags:
            for word, place in places.items():
                flag = flag.replace(word, place)
            flags.append(flag)
        return [self.name, *flags]


_GAN = ("--dataset=digits", "--features=digits", "--batch_size=8", "--eval_samples=40")
_STEPS = ("--steps=6", "--checkpoint_every=2", "--log_every=1", "--deterministic")
_WORKS = (
    Work(
        "gan.evaluate",
        (
            f"--run_dir={INPUT}",
            f"--out={OUT}/evaluation.json",
            f"--save_statistics={OUT}/statistics.npz",
        ),
        "gan",
        writes_long=False,
    ),
    Work(
        "gan.sample",
        (f"--run_dir={INPUT}", "--what=images,grid,interpolations,nearest", f"--out={OUT}"),
        "gan",
    ),
    Work("gan.train_features", ("--steps=20", f"--out={OUT}/features")),
    Work(
        "gan.experiment",
        (
            *("--name=stability", "--scale=small", "--norms=bn,itn", "--settings=2e-4:A"),
            *("--recoveries=scale_shift", "--generator_filters=8", "--discriminator_filters=8"),
            *(*_GAN, *_STEPS, f"--out={OUT}"),
        ),
        product="result.json",
    ),
    Work(
        "classify.evaluate",
        (f"--run_dir={INPUT}", f"--out={OUT}/evaluation.json"),
        "classify",
        writes_long=False,
    ),
    Work(
        "classify.experiment",
        (
            *("--name=micro_batch", "--scale=small", "--dataset=digits", "--train_size=40"),
            *("--depth=8", "--width=2", "--norms=bn,gn_c1", "--seeds=1"),
            *(*_STEPS, f"--out={OUT}"),
        ),
        product="result.json",
    ),
)
WORKS = {work.name: work for work in _WORKS}


def results(work, out):
    """What is finished of a directory of results: contents by name; None: it need only be there."""
    found = {}
    for file in sorted(path for path in out.rglob("*") if path.is_file()):
        name = file.relative_to(out)
        if set(name.parts) & set(_NO_RESULTS) or any(map(is_aside, name.parts)):
            continue
        job = out.joinpath(*name.parts[:2]) if name.parts[0] == "runs" else None
        if job is None or (job / work.product).exists():
            found[str(name)] = _content(file)
    return found


def _content(file):
    if file.name.endswith(_UNORDERED) or ".data-" in file.name or file.name == lock.NAME:
        return None
    if file.suffix == ".index":
        return sorted(
            np.asarray(a).tobytes() for a in runs.checkpoint(file.with_suffix("")).values()
        )
    if file.suffix == ".keras":
        return {name: np.asarray(value).tobytes() for name, value in runs.keras_file(file).items()}
    return file.read_bytes()


def losses(before, after, whole):
    """What is amiss of results after an interruption, in words.

    Args:
        before, after, whole: `results` before and after it, and where nothing comes between.
    """
    found = [f"{name} is lost" for name in before.keys() - after.keys()]
    for name, content in after.items():
        if name not in whole:
            found.append(f"{name} is there")
        elif content != whole[name]:
            found.append(f"{name} is not whole")
    for name in whole:
        folder = pathlib.PurePath(name).parent
        if name.endswith("saved_model.pb"):
            of_it = {other for other in whole if folder in pathlib.PurePath(other).parents}
            if of_it & after.keys() and not of_it <= after.keys():
                found.append(f"{folder}/ is not whole")
    return found
