"""Section C.3.1: what whitening costs in the networks for CIFAR-10 and ImageNet.

Tables IV and V and figure V of Huang et al., "An Investigation into the Stochasticity of Batch
Whitening", CVPR 2020, supplement; and, in no paper, what unitization costs in its authors'
ResNet-110, and what each norm does in the networks of `gain`. Images and labels are random numbers.
"""

import dataclasses

from classify.experiments import flags
from classify.experiments.timed import ALIKE, ARCHS, BASELINES, DRAWN, PUBLISHED, Timing
from harness.config import ROUNDS
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.figures import charts
from harness.figures.lines import write_lines
from harness.norm_names import parse_norm

PRODUCT = "seconds.json"

PAPER_ROUNDS = 100
SMALL_ROUNDS = 10


def jobs(request):
    """One for each network."""
    return [Job(arch, _timing(arch, request)) for arch in chosen("archs", request.archs, ARCHS)]


def _timing(arch, request):
    network, small = ARCHS[arch], request.scale == "small"
    norms = request.norms or (network.small_norms if small else network.norms)
    config = Timing(
        arch=arch,
        norms=",".join(dict.fromkeys([*BASELINES, *norms])),
        width=network.config.width,
        image_size=network.image_size,
        batch_size=network.config.batch_size,
        rounds=request.rounds or (SMALL_ROUNDS if small else PAPER_ROUNDS),
    )
    config = request.override(dataclasses.replace(config, **network.small if small else {}))
    config.configs()  # fails here if there is no such norm
    return config


def carry_out(config, directory):
    """Times training steps, and writes them to `seconds.json`."""
    from classify.experiments.timed_steps import time_steps

    time_steps(config, directory, directory / PRODUCT)


def describe(outcome):
    """A complete timing in a few words."""
    return f"{len(_read(outcome)['rows'])} networks timed, {outcome.job.config.rounds} rounds"


def report(outcomes, out):
    """A table and a figure for each network: tables IV and V and figure V, and ours of ResNet-110.

    Norms with a group size are lines over it, in seconds, as in figure V; if one has none, all are
    bars. What a drift of the machine's speed is in are the seconds, and not the tables' ratios.
    """
    tables = {}
    for outcome in outcomes:
        config, timing = outcome.job.config, _read(outcome)
        network, rows = ARCHS[config.arch], timing["rows"]
        tables[config.arch] = (
            _caption(config, network, timing["machine"]),
            [_row(config.arch, network, row) for row in rows],
        )
        panels = {
            f"{network.label}{_place(variant)}, {_size(config)}": [
                row for row in rows if row["variant"] == variant or row["norm"] in BASELINES
            ]
            for variant in network.variants
        }
        path, y_label = out / f"figure_{config.arch}.png", "s a training step"
        sizes = [_group_size(row) for row in rows if row["norm"] not in BASELINES]
        if sizes and all(sizes):
            lines = {title: _lines(panel) for title, panel in panels.items()}
            write_lines(path, lines, "channels in a group", y_label, powers_of_2=True)
        else:
            bars = {
                title: {row["norm"]: {"": row["seconds"]} for row in panel}
                for title, panel in panels.items()
            }
            charts.write_bars(path, bars, y_label)
    out.write(**tables)


def _caption(config, network, made_on):
    caption = (
        f"{network.label}, {_size(config)}: a training step, the median of {config.rounds} rounds, "
        f"in which all took turns, on {made_on}. BN's = 1: the median of the ratio in the same "
        "round. The norms' share of a step: how much less the same network takes without any norm, "
        "likewise; its own row is `none`."
    )
    if config.arch in PUBLISHED:
        caption += (
            f" Paper, GPU: {PUBLISHED[config.arch].source}, of PyTorch 1.0.1, in batches of 256, "
            "the groups of a layer one after another."
        )
    elif config.arch == DRAWN:
        caption += " The paper draws it in figure V, of one GPU, and has no numbers of it."
    return caption


def _row(arch, network, row):
    """A row of a table, with what is published beside it."""
    cells = {"norm": row["norm"]}
    if list(network.variants) != [ALIKE]:
        cells["place"] = None if row["norm"] in BASELINES else row["variant"]
    cells |= {
        "s a step": row["seconds"],
        "BN's = 1": row["ratio"],
        "norms' share of a step, %": 100.0 * row["share"],
    }
    if arch in PUBLISHED:
        known = PUBLISHED[arch].seconds
        seconds, base = known.get((row["norm"], row["variant"])), known[BASELINES[0], ALIKE]
        cells["paper, GPU: s a step"] = seconds
        cells["paper, GPU: BN's = 1"] = seconds and seconds / base
    return cells


def _size(config):
    size = f"{config.image_size} x {config.image_size}"
    return f"width {config.width}, batches of {config.batch_size} images of {size}"


def _place(variant):
    return "" if variant == ALIKE else f", {variant}"


def _group_size(row):
    return parse_norm(row["norm"])["group_size"]


def _lines(rows):
    """Points (group size, seconds) of each norm, and a level line for each of `BASELINES`."""
    sizes = sorted({_group_size(row) for row in rows} - {None})
    lines = {}
    for row in rows:
        if row["norm"] in BASELINES:
            lines[row["norm"]] = [(size, row["seconds"]) for size in sizes]
        else:
            point = (_group_size(row), row["seconds"])
            lines.setdefault(parse_norm(row["norm"])["norm"], []).append(point)
    return {norm: sorted(points) for norm, points in lines.items()}


def _read(outcome):
    return outcome.read(PRODUCT, "machine", "rows")


EXPERIMENT = Experiment(
    name="time",
    summary="seconds a training step by norm and group size: tables IV and V, figure V",
    flags=(
        flags.ARCHS,
        flags.NORMS,
        Flag(
            "rounds",
            "How often each network's training step is timed, all in turns; medians are told.",
            int,
            check=ROUNDS,
            default=f"{PAPER_ROUNDS}, and {SMALL_ROUNDS} of the small scale",
        ),
    ),
    fields=("batch_size", "image_size", "width", "iterations", "device", "seed"),
    jobs=jobs,
    networks=lambda timing: timing.configs().values(),
    carry_out=carry_out,
    product=PRODUCT,
    describe=describe,
    report=report,
)
