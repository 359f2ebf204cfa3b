"""How much normalised samples depend on their mini-batch: methods by size, and a model's layers.

The stochastic normalization disturbance (SND) of Huang et al., "Iterative Normalization: Beyond
Standardization towards Efficient Whitening", CVPR 2019, and "An Investigation into the
Stochasticity of Batch Whitening", CVPR 2020; with it, how white the outputs are. Nothing is
trained.
"""

import dataclasses
import json

from classify.experiments import disturbed_layers, disturbed_methods
from classify.experiments.disturbed_layers import Layers
from classify.experiments.disturbed_methods import Methods
from harness.errors import UserError
from harness.experiments.perform import chosen
from harness.experiments.sweep import Run
from harness.files import write_whole

FLAGS = (
    "sweeps",
    "norms",
    "normalizer",
    "samples",
    "batches",
    "batch_size",
    "group_size",
    "iterations",
    "epsilon",
    "run_dir",
    "data_dir",
    "train_size",
    "seed",
)
PRODUCT = "disturbance.json"
# Which network it is, is told by the network itself.
FREE = ("run_dir", "data_dir")

LAYERS = "layers"
SWEEPS = (LAYERS, *disturbed_methods.SWEEPS)
# What measures, describes and draws a run, by what its configuration is.
KINDS = {Methods: disturbed_methods, Layers: disturbed_layers}


def runs(options):
    """One for each sweep; first the layers of a model, if there is one, as it may be amiss."""
    names = chosen("sweeps", options.sweeps, SWEEPS)
    if options.run_dir is None and options.sweeps and LAYERS in names:
        raise UserError("The sweep layers needs --run_dir, the directory of a run.")
    if options.run_dir is not None and LAYERS not in names:
        raise UserError("--run_dir is for the sweep layers, which --sweeps leaves out.")
    found = [
        Run(name, disturbed_methods.sweep(name, options))
        for name in disturbed_methods.SWEEPS
        if name in names
    ]
    if options.run_dir is not None:
        found.insert(0, Run(LAYERS, disturbed_layers.layers(options)))
    return found


def carry_out(config, directory):
    """Measures, and writes the numbers to `disturbance.json`; null is what is not finite."""
    try:
        rows = KINDS[type(config)].measure(config)
    except ValueError as error:
        raise UserError(str(error)) from error
    directory.begin(dataclasses.asdict(config), FREE)
    write_whole(directory / PRODUCT, json.dumps(rows, indent=2, allow_nan=False) + "\n")


def describe(outcome):
    """A complete run in a few words."""
    config = outcome.run.config
    return KINDS[type(config)].describe(config, _read(outcome))


def report(outcomes, out):
    """Tables and a figure for each sweep."""
    tables = {}
    for outcome in outcomes:
        config, rows = outcome.run.config, _read(outcome)
        kind = KINDS[type(config)]
        tables |= kind.tables(config, rows)
        kind.draw(out / f"{outcome.run.name}.png", config, rows)
    out.write(**tables)


def _read(outcome):
    return json.loads((outcome.directory / PRODUCT).read_text())
