"""Section C.3.2: what whitening costs in the generators of tables VII to IX.

Table VI and figure VI of Huang et al., "An Investigation into the Stochasticity of Batch
Whitening", CVPR 2020, supplement. Images and latents are random numbers.
"""

from gan import presets
from gan.experiments import flags
from gan.experiments.timed import ARCHS, BASELINE, KINDS, Timing
from harness.config import ROUNDS
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.figures import charts
from harness.norm_names import parse_norm

PRODUCT = "seconds.json"


# Table VI, of the large networks of section 4.3.2: seconds of a generator pass on a GPU, with the
# decomposition on the CPU and on the GPU.
TABLE_VI = "Table VI: pass on a GPU, s, decomposed on CPU / GPU"
PUBLISHED = {
    ("large_dcgan", "cd"): "0.023 / 0.019",
    ("large_dcgan", "zca-64"): "0.018 / 0.544",
    ("large_dcgan", "itn"): "0.017 / 0.016",
    ("resnet", "cd"): "0.036 / 0.038",
    ("resnet", "zca-64"): "0.036 / 0.894",
    ("resnet", "itn"): "0.034 / 0.034",
}


def jobs(request):
    """One for each architecture."""
    archs = chosen("archs", request.archs, ARCHS)
    return [Job(arch, _timing(arch, request)) for arch in archs]


def _timing(arch, request):
    preset, norms = ARCHS[arch]
    preset = presets.PRESETS[preset]
    norms = list(dict.fromkeys([BASELINE, *(request.norms or norms)]))
    for norm in norms:
        parse_norm(norm)
    small = request.scale == "small"
    size = 4 if small else 1
    config = Timing(
        arch=preset.arch,
        norms=",".join(norms),
        recovery=preset.recovery,
        iterations=preset.iterations,
        generator_filters=preset.generator_filters // size,
        discriminator_filters=preset.discriminator_filters // size,
        batch_size=64 // size,
        rounds=request.rounds or (10 if small else 100),
    )
    return request.override(config)


def carry_out(config, directory):
    """Times generator passes and training steps, and writes them to `seconds.json`."""
    from gan.experiments.timed_generators import time_generators

    time_generators(config, directory, directory / PRODUCT)


def describe(outcome):
    """A complete timing in a few words."""
    return f"{len(_read(outcome)['rows'])} generators timed, {outcome.job.config.rounds} rounds"


def report(outcomes, out):
    """Table VI's columns, and figure VI, of each architecture."""
    timings = [_read(outcome) for outcome in outcomes]
    rows = [row for timing in timings for row in timing["rows"]]
    machines = " and ".join(dict.fromkeys(timing["machine"] for timing in timings))
    rounds = outcomes[0].job.config.rounds
    caption = (
        f"Medians of {rounds} rounds, in which all of an architecture took turns, on {machines}; "
        f"{BASELINE}'s = 1: of the ratio in the same round. A generator pass is forward, as in "
        "training; a training step updates the discriminator and the generator once."
    )
    published = [PUBLISHED.get((row["architecture"], row["norm"])) for row in rows]
    rows_beside = [row | {TABLE_VI: text} for row, text in zip(rows, published, strict=True)]
    out.write(table=(caption, rows_beside))
    for timing in timings:
        arch = timing["rows"][0]["architecture"]
        panels = {}
        for kind in KINDS:
            bars = {_label(row): {"ms": 1e3 * row[f"{kind}, s"]} for row in timing["rows"]}
            panels[f"{arch}, {kind}"] = bars
        charts.write_bars(out / f"figure_{arch}.png", panels, "ms")


def _label(row):
    device = row["decomposed on"]
    return row["norm"] if device is None else f"{row['norm']}\non {device}"


def _read(outcome):
    return outcome.read(PRODUCT, "machine", "rows")


EXPERIMENT = Experiment(
    name="cost",
    summary="seconds per generator pass and per training step: table VI, figure VI",
    flags=(
        flags.ARCHS,
        flags.NORMS,
        Flag("rounds", flags.ROUNDS, int, check=ROUNDS, default="100, and 10 of the small scale"),
    ),
    fields=(
        "batch_size",
        "generator_filters",
        "discriminator_filters",
        "image_size",
        "iterations",
        "seed",
    ),
    jobs=jobs,
    networks=lambda timing: timing.configs(),
    carry_out=carry_out,
    product=PRODUCT,
    describe=describe,
    report=report,
)
