"""Section C.2.2: whitening in larger networks, with coloring.

Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020, supplement;
the networks are those of tables VIII and IX.
"""

import dataclasses

from gan import presets
from gan.experiments import flags, trained
from harness.experiments.experiment import Experiment, Job, chosen
from harness.figures import charts
from harness.norm_names import norm_text, parse_norm

# Architectures, and the presets that have all but the norm.
ARCHS = {"large_dcgan": "large_dcgan_bn", "resnet": "large_resnet_bn"}
NORMS = ("bn", "cd", "zca-64", "itn")


def jobs(request):
    """One for each architecture and norm."""
    jobs = []
    for arch in chosen("archs", request.archs, ARCHS):
        config = presets.PRESETS[ARCHS[arch]]
        if request.scale == "small":
            config = dataclasses.replace(config, **trained.SMALL)
        config = request.override(config)
        for norm in dict.fromkeys(request.norms or NORMS):
            jobs.append(Job(f"{arch}_{norm}", dataclasses.replace(config, **parse_norm(norm))))
    return jobs


def report(outcomes, out):
    """Distance and score of each architecture and norm."""
    distance, score = trained.names(outcomes)
    rows, panels = [], {}
    for outcome in outcomes:
        config, result = outcome.job.config, trained.result(outcome)
        norm = norm_text(config.norm, config.group_size)
        rows.append(
            {
                "architecture": config.arch,
                "norm": norm,
                distance: result.distance,
                score: result.score,
                f"{score} deviation": result.deviation,
                "state": outcome.state,
            }
        )
        bars = panels.setdefault(f"{config.arch}, {config.steps:,} steps", {})
        label = norm + (" (diverged)" if result.distance is None else "")
        bars[label] = {distance: result.distance}
    said = f"{distance} and {score} at the end of training.{trained.warnings(outcomes)}"
    out.write(table=(said, rows))
    charts.write_bars(out / "figure.png", panels, distance)


EXPERIMENT = Experiment(
    name="large",
    summary="larger networks: section C.2.2",
    flags=(flags.ARCHS, flags.NORMS),
    fields=trained.FIELDS,
    jobs=jobs,
    report=report,
    **trained.TRAINS,
)
