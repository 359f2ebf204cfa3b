"""Section C.3.2: what whitening costs in the generators of tables VII to IX.

Table VI and figure VI of Huang et al., "An Investigation into the Stochasticity of Batch
Whitening", CVPR 2020, supplement. Images and latents are random numbers.
"""

import dataclasses
import functools
import json
import statistics

import tensorflow as tf

from gan import networks, presets
from gan.trainer import Trainer
from harness.datasets import Kind
from harness.errors import UserError
from harness.experiments.perform import chosen
from harness.experiments.report import machine
from harness.experiments.sweep import Run
from harness.figures import charts
from harness.files import write_whole
from harness.norms import parse_norm
from tfnorm.benchmark import timing

FLAGS = (
    "archs",
    "norms",
    "rounds",
    "batch_size",
    "generator_filters",
    "discriminator_filters",
    "image_size",
    "iterations",
    "seed",
)
PRODUCT = "seconds.json"
FREE = ()

# Architectures: a preset that has all but the norm, and the norms that are timed in turns with
# BatchNormalization. Figure VI is of the first, Table VI of the others.
GROUPED = [f"{norm}{size}" for norm in ("zca", "cd", "itn") for size in ("-16", "-32", "-64", "")]
ARCHS = {
    "dcgan": ("cifar10_dcgan", GROUPED),
    "large_dcgan": ("large_dcgan_bn", ["cd", "zca-64", "itn"]),
    "resnet": ("large_resnet_bn", ["cd", "zca-64", "itn"]),
}
BASELINE = "bn"
DECOMPOSED = ("pca", "zca")  # norms for which `device` matters
KINDS = ("generator pass", "training step")
KIND = Kind(channels=3, num_classes=10)


@dataclasses.dataclass(frozen=True)
class Timing:
    """What is timed: training steps of an architecture with one discriminator update each.

    `norms` are comma-separated, the first `BASELINE`.
    """

    arch: str
    norms: str
    recovery: str
    iterations: int
    generator_filters: int
    discriminator_filters: int
    batch_size: int
    rounds: int
    image_size: int = 32
    seed: int = 0

    def trainer_config(self, norm, device):
        """The `presets.Config` with a norm, whose decomposition is on a device."""
        fields = dataclasses.asdict(self)
        shared = {name: fields[name] for name in fields.keys() - {"norms", "rounds"}}
        return presets.Config(**shared, **parse_norm(norm), device=device)


def runs(options):
    """One for each architecture."""
    archs = chosen("archs", options.archs, ARCHS)
    return [Run(arch, _timing(arch, options)) for arch in archs]


def _timing(arch, options):
    preset, norms = ARCHS[arch]
    preset = presets.PRESETS[preset]
    norms = list(dict.fromkeys([BASELINE, *(options.norms or norms)]))
    for norm in norms:
        parse_norm(norm)
    if options.rounds is not None and options.rounds < 1:
        raise UserError(f"--rounds must be at least 1. Received: rounds={options.rounds}")
    small = options.scale == "small"
    size = 4 if small else 1
    config = Timing(
        arch=preset.arch,
        norms=",".join(norms),
        recovery=preset.recovery,
        iterations=preset.iterations,
        generator_filters=preset.generator_filters // size,
        discriminator_filters=preset.discriminator_filters // size,
        batch_size=64 // size,
        rounds=options.rounds or (10 if small else 100),
    )
    return options.override(config)


def carry_out(config, directory):
    """Times generator passes and training steps, and writes them to `seconds.json`."""
    devices = ["CPU", *["GPU"] * bool(tf.config.list_logical_devices("GPU"))]
    calls = {}
    for name in config.norms.split(","):
        decomposed = parse_norm(name)["norm"] in DECOMPOSED
        for device in devices if decomposed else [None]:
            of_norm = _calls(config, name, device)
            calls |= {(name, device, kind): call for kind, call in of_norm.items()}
    directory.begin(dataclasses.asdict(config))
    seconds = timing.interleaved(calls, config.rounds)
    rows = []
    for name, device in dict.fromkeys((name, device) for name, device, _ in calls):
        row = {"architecture": config.arch, "norm": name, "decomposed on": device}
        for kind in KINDS:
            own, base = seconds[name, device, kind], seconds[BASELINE, None, kind]
            row[f"{kind}, s"] = statistics.median(own)
            row[f"{kind}, {BASELINE}'s = 1"] = timing.ratio(own, base)
        rows.append(row)
    found = {"machine": machine(), "rows": rows}
    write_whole(directory / PRODUCT, json.dumps(found, indent=2) + "\n")


def _calls(config, norm, device):
    """The calls to time, by their kind."""
    try:
        trainer = Trainer(
            config.trainer_config(norm, device and device.lower()),
            KIND,
            tf.distribute.get_strategy(),
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    size = config.image_size
    latent = tf.random.stateless_normal([config.batch_size, networks.LATENT_SIZE], [0, 0])
    shape = [1, config.batch_size, size, size, KIND.channels]
    batch = {"images": tf.random.stateless_uniform(shape, [0, 1], -1.0, 1.0)}

    @tf.function
    def generate():
        return trainer.generator(latent, training=True)

    return {
        KINDS[0]: functools.partial(_finished, generate),
        KINDS[1]: functools.partial(_finished, functools.partial(trainer.step, 0, batch)),
    }


def _finished(call):
    call()
    tf.test.experimental.sync_devices()


def describe(outcome):
    """A complete timing in a few words."""
    return f"{len(_read(outcome)['rows'])} generators timed, {outcome.run.config.rounds} rounds"


def report(outcomes, out):
    """Table VI's columns, and figure VI, of each architecture."""
    found = [_read(outcome) for outcome in outcomes]
    rows = [row for each in found for row in each["rows"]]
    machines = " and ".join(dict.fromkeys(each["machine"] for each in found))
    rounds = outcomes[0].run.config.rounds
    caption = (
        f"Medians of {rounds} rounds, in which all of an architecture took turns, on {machines}; "
        f"{BASELINE}'s = 1: of the ratio in the same round. A generator pass is forward, as in "
        "training; a training step updates the discriminator and the generator once."
    )
    out.write(table=(caption, rows))
    for each in found:
        arch = each["rows"][0]["architecture"]
        panels = {}
        for kind in KINDS:
            bars = {_label(row): {"ms": 1e3 * row[f"{kind}, s"]} for row in each["rows"]}
            panels[f"{arch}, {kind}"] = bars
        charts.write_bars(out / f"figure_{arch}.png", panels, "ms")


def _label(row):
    device = row["decomposed on"]
    return row["norm"] if device is None else f"{row['norm']}\non {device}"


def _read(outcome):
    return json.loads((outcome.directory / PRODUCT).read_text())
