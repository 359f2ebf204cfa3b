"""How much normalised samples depend on their mini-batch: methods by size, and a model's layers.

The stochastic normalization disturbance (SND) of Huang et al., "Iterative Normalization: Beyond
Standardization towards Efficient Whitening", CVPR 2019, and "An Investigation into the
Stochasticity of Batch Whitening", CVPR 2020; with it, how white the outputs are. Nothing is
trained.
"""

import dataclasses

from classify.experiments import disturbed_layers, disturbed_methods, flags
from classify.experiments.disturbed_layers import Layers
from classify.experiments.disturbed_methods import Methods
from harness import sealed
from harness.config import ROUNDS
from harness.errors import UserError
from harness.experiments.experiment import Experiment, Flag, Job, chosen

PRODUCT = "disturbance.json"
# Which network it is, is told by the network itself.
FREE = ("run_dir", "data_dir")

LAYERS = "layers"
SWEEPS = (LAYERS, *disturbed_methods.SWEEPS)
# What describes and draws a job, by what its configuration is.
KINDS = {Methods: disturbed_methods, Layers: disturbed_layers}


def jobs(request):
    """One for each sweep; first the layers of a model, if there is one, as it may be amiss."""
    names = chosen("sweeps", request.sweeps, SWEEPS)
    if request.run_dir is None and request.sweeps and LAYERS in names:
        raise UserError(
            "The sweep layers measures the network of a run: give its directory as --run_dir."
        )
    if request.run_dir is not None and LAYERS not in names:
        raise UserError(
            "--run_dir is for the sweep layers alone: add layers to --sweeps, or leave --run_dir "
            "out."
        )
    if request.norms and names == [LAYERS]:
        raise UserError(
            "--norms is for the sweeps over sizes: layers measures those of the network. Add a "
            f"sweep to --sweeps, or leave --norms out. Received: norms={','.join(request.norms)}"
        )
    jobs = [
        Job(name, disturbed_methods.sweep(name, request))
        for name in disturbed_methods.SWEEPS
        if name in names
    ]
    if request.run_dir is not None:
        jobs.insert(0, Job(LAYERS, disturbed_layers.layers(request)))
    return jobs


def carry_out(config, directory):
    """Measures, and writes the numbers to `disturbance.json`; null is what is not finite."""
    from classify.experiments import measured_layers, measured_methods

    measures = {Methods: measured_methods.measure, Layers: measured_layers.measure}
    try:
        rows = measures[type(config)](config)
    except ValueError as error:
        raise UserError(str(error)) from error
    directory.begin(dataclasses.asdict(config), FREE)
    sealed.write(directory / PRODUCT, {"rows": rows}, indent=2)


def describe(outcome):
    """A complete run in a few words."""
    config = outcome.job.config
    return KINDS[type(config)].describe(config, _read(outcome))


def report(outcomes, out):
    """Tables and a figure for each sweep."""
    tables = {}
    for outcome in outcomes:
        config, rows = outcome.job.config, _read(outcome)
        kind = KINDS[type(config)]
        tables |= kind.tables(config, rows)
        kind.draw(out / f"{outcome.job.name}.png", config, rows)
    out.write(**tables)


def _read(outcome):
    return outcome.read(PRODUCT, "rows")["rows"]


EXPERIMENT = Experiment(
    name="disturbance",
    summary="how much a sample depends on its mini-batch, by method and size, and in which layers",
    flags=(
        Flag(
            "sweeps",
            f"What to vary, of {', '.join(SWEEPS)}: sizes, or Newton's iterations; layers measures "
            "each normalization of the network of --run_dir.",
            is_list=True,
        ),
        flags.NORMS,
        flags.RUN_DIR,
    ),
    fields=(
        Flag(
            "normalizer",
            "What the disturbance is divided by, to compare layers of different sizes: sqrt, the "
            "root of the number of a sample's elements; dimension, their number.",
            str | None,
            choices=("sqrt", "dimension"),
            default="none, and sqrt for layers, which differ in size",
        ),
        Flag(
            "samples",
            "How many samples' disturbance is measured and averaged.",
            int,
            check=ROUNDS,
            default="20, and 10 of the small scale",
        ),
        Flag(
            "batches",
            "How many random mini-batches each of these samples is put in.",
            int,
            check=ROUNDS,
            default="200, and 50 for layers; 40 and 20 of the small scale",
        ),
        "batch_size",
        "group_size",
        "iterations",
        "epsilon",
        "data_dir",
        "train_size",
        "seed",
    ),
    jobs=jobs,
    networks=lambda config: config.networks() if isinstance(config, Methods) else [],
    carry_out=carry_out,
    product=PRODUCT,
    free=FREE,
    describe=describe,
    report=report,
    is_papers=lambda request: request.run_dir is None,
)
