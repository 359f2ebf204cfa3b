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
from classify.experiments import flags, trained
from classify.experiments.trained import accuracy
from harness.errors import UserError
from harness.experiments.experiment import Experiment, Job, chosen
from harness.figures.lines import write_lines
from harness.norm_names import estimates, norm_text, parse_norm, whitenings
from harness.run.directory import History

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


def jobs(request):
    """One for each norm, and of a whitening for each estimate."""
    config, sizes = presets.VGG, SIZES
    if request.scale == "small":
        config, sizes = dataclasses.replace(config, **SMALL), SMALL_SIZES
    names = ["bn", *(norm_text(method, size) for method in whitenings() for size in sizes)]
    jobs = []
    for name in dict.fromkeys(request.norms or names):
        norm = parse_norm(name)
        if norm["norm"] not in ("bn", *whitenings()):
            raise UserError(
                f"--norms must be of bn, {', '.join(whitenings())}, as zca-64. "
                f"Received: norms={name}"
            )
        asked = chosen("estimates", request.estimates, estimates())
        # Only whitenings have a matrix.
        for estimate in asked if norm["norm"] in whitenings() else ["covariance"]:
            config_of_norm = presets.whitened(config, estimate=estimate, **norm)
            suffix = "_matrix" if estimate == "matrix" else ""
            jobs.append(Job(name + suffix, request.override(config_of_norm)))
    if request.estimates and not any(job.config.norm in whitenings() for job in jobs):
        raise UserError(
            "--estimates must come with a whitening in --norms: else it changes nothing. "
            f"Received: estimates={','.join(request.estimates)}, norms={','.join(request.norms)}"
        )
    return jobs


def report(outcomes, out):
    """A row for each run, and accuracy over the group size."""
    config = outcomes[0].job.config
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
    config = outcome.job.config
    return {
        "norm": config.norm,
        "channels in a group": _group_size(outcome) if _is_whitened(outcome) else None,
        "estimate": config.estimate if _is_whitened(outcome) else None,
        "accuracy, %": accuracy(outcome),
        "training loss, nats": _training_loss(outcome),
        "state": outcome.state,
    }


def _is_whitened(outcome):
    return outcome.job.config.norm in whitenings()


def _group_size(outcome):
    config = outcome.job.config
    return min(config.group_size or WIDEST * config.width, WIDEST * config.width)


def _training_loss(outcome):
    """The mean of what was logged in the last tenth of a run; None if it has diverged."""
    if outcome.state != "complete":
        return None
    last = outcome.read(trained.PRODUCT, "step")["step"]
    rows = [row for row in History(outcome.directory).rows() if row["step"] > 0.9 * last]
    return statistics.mean(row["loss"] for row in rows if "loss" in row)


def _estimates(outcomes):
    """The estimates of what is whitened; without any, of BatchNormalization by itself."""
    there = [outcome.job.config.estimate for outcome in outcomes if _is_whitened(outcome)]
    return list(dict.fromkeys(there)) or [estimates()[0]]


def _lines(outcomes, estimate):
    """Points (group size, accuracy) of each method with an estimate, and a level line for bn.

    Second, how many runs of each method have diverged, in words.
    """
    sizes = sorted({_group_size(each) for each in outcomes if _is_whitened(each)}) or [1]
    lines, diverged = {}, {}
    for outcome in outcomes:
        config, value = outcome.job.config, accuracy(outcome)
        if _is_whitened(outcome) and config.estimate != estimate:
            continue
        if value is None:
            diverged[config.norm] = diverged.get(config.norm, 0) + 1
            continue
        where = [_group_size(outcome)] if _is_whitened(outcome) else sizes
        lines.setdefault(config.norm, []).extend((size, value) for size in where)
    sorted_lines = {norm: sorted(points) for norm, points in lines.items()}
    return sorted_lines, [f"{norm} {count}" for norm, count in diverged.items()]


EXPERIMENT = Experiment(
    name="vgg",
    summary="VGG-19 by whitening, group size and estimate: section 4.2.1",
    flags=(flags.NORMS, flags.ESTIMATES),
    fields=("batch_size", "width", *trained.FIELDS),
    jobs=jobs,
    report=report,
    **trained.TRAINS,
)
