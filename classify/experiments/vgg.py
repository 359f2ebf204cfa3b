"""Section 4.2.1: VGG-19 with whitenings, by method, group size and estimate for inference.

Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020; the runs are
those of the authors' scripts, and ItN in all of the group sizes. The accuracies are in figures of
the paper, not in tables: none are beside ours.

PCA's gradient, which has the gaps between eigenvalues in its denominators, grows some five times in
each layer, to 1e8 in the first: the weights are not finite after a few steps. ZCA's, CD's and ItN's
stays about 1.
"""

import dataclasses
import statistics

from classify import presets
from classify.experiments import trained
from classify.experiments.trained import FREE, PRODUCT, accuracy, carry_out, describe
from harness.errors import UserError
from harness.experiments.perform import chosen
from harness.experiments.sweep import Run
from harness.figures.lines import write_lines
from harness.norms import norm_name, parse_norm
from harness.run.directory import History
from tfnorm.functional import WHITENERS

__all__ = ["FLAGS", "FREE", "PRODUCT", "carry_out", "describe", "report", "runs"]

FLAGS = ("norms", "estimates", "batch_size", "width", *trained.FLAGS)

METHODS = ("pca", "zca", "cd", "itn")
SIZES = (512, 256, 128, 64, 32, 16)
WIDEST = 8  # of the last stages, as a multiple of `width`

# Ours: one to two minutes a run on two cores. Of this width, 128 channels are the most.
SMALL_SIZES = (128, 64, 32, 16)
SMALL = {
    "width": 16,
    "train_size": 5_000,
    "batch_size": 64,
    "epochs": 8.0,
    "log_every": 20,
    "eval_every": 313,
    "checkpoint_every": 313,
}


def runs(options):
    """One for each norm, and of a whitening for each estimate."""
    config, sizes = presets.VGG, SIZES
    if options.scale == "small":
        config, sizes = dataclasses.replace(config, **SMALL), SMALL_SIZES
    names = ["bn", *(norm_name(method, size) for method in METHODS for size in sizes)]
    estimates = chosen("estimates", options.estimates, presets.ESTIMATES)
    found = []
    for name in dict.fromkeys(options.norms or names):
        of = parse_norm(name)
        if of["norm"] not in presets.EPSILONS:
            raise UserError(f"--norms are of bn, {', '.join(METHODS)}. Received: {name}")
        # Only whitenings have a matrix.
        for estimate in estimates if of["norm"] in WHITENERS else ["covariance"]:
            of_norm = presets.whitened(config, estimate=estimate, **of)
            suffix = "_matrix" if estimate == "matrix" else ""
            found.append(Run(name + suffix, options.override(of_norm)))
    return found


def report(outcomes, out):
    """A row for each run, and accuracy over the group size."""
    config = outcomes[0].run.config
    caption = (
        f"VGG-19 of width {config.width}: accuracy on {config.dataset}'s split {config.test_split} "
        "at the end, and the mean loss of the batches that were logged in the last tenth of the "
        "run. The paper has its accuracies in figures."
    )
    out.write(table=(caption, [_row(outcome) for outcome in outcomes]))
    panels = {}
    for estimate in _estimates(outcomes):
        lines, diverged = _lines(outcomes, estimate)
        failed = f"; diverged: {', '.join(diverged)}" if diverged else ""
        panels[f"VGG-19 of width {config.width}, moving {estimate}{failed}"] = lines
    write_lines(
        out / "figure.png", panels, "channels in a group", "test accuracy, %", powers_of_2=True
    )


def _row(outcome):
    config = outcome.run.config
    return {
        "norm": config.norm,
        "channels in a group": _group_size(outcome) if _is_whitened(outcome) else None,
        "estimate": config.estimate if _is_whitened(outcome) else None,
        "accuracy, %": accuracy(outcome),
        "training loss, nats": _training_loss(outcome),
        "state": outcome.state,
    }


def _is_whitened(outcome):
    return outcome.run.config.norm in WHITENERS


def _group_size(outcome):
    config = outcome.run.config
    return min(config.group_size or WIDEST * config.width, WIDEST * config.width)


def _training_loss(outcome):
    """The mean of what was logged in the last tenth of a run; None if it has diverged."""
    if outcome.state != "complete":
        return None
    last = outcome.last()["step"]
    rows = [row for row in History(outcome.directory).rows() if row["step"] > 0.9 * last]
    return statistics.mean(row["loss"] for row in rows if "loss" in row)


def _estimates(outcomes):
    """The estimates of what is whitened; without any, of BatchNormalization by itself."""
    estimates = [outcome.run.config.estimate for outcome in outcomes if _is_whitened(outcome)]
    return list(dict.fromkeys(estimates)) or [presets.ESTIMATES[0]]


def _lines(outcomes, estimate):
    """Points (group size, accuracy) of each method with an estimate, and a level line for bn.

    Second, how many runs of each method have diverged, in words.
    """
    sizes = sorted({_group_size(each) for each in outcomes if _is_whitened(each)}) or [1]
    lines, diverged = {}, {}
    for outcome in outcomes:
        config, value = outcome.run.config, accuracy(outcome)
        if _is_whitened(outcome) and config.estimate != estimate:
            continue
        if value is None:
            diverged[config.norm] = diverged.get(config.norm, 0) + 1
            continue
        where = [_group_size(outcome)] if _is_whitened(outcome) else sizes
        lines.setdefault(config.norm, []).extend((size, value) for size in where)
    of_norms = {norm: sorted(points) for norm, points in lines.items()}
    return of_norms, [f"{norm} {count}" for norm, count in diverged.items()]
