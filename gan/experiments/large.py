"""Section C.2.2: whitening in larger networks, with coloring.

Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020, supplement;
the networks are those of tables VIII and IX.
"""

import dataclasses

from gan import presets
from gan.experiments import trained
from gan.experiments.trained import FREE, PRODUCT, carry_out, describe
from harness.experiments.perform import chosen
from harness.experiments.sweep import Run
from harness.figures import charts
from harness.norms import norm_name, parse_norm

__all__ = ["FLAGS", "FREE", "PRODUCT", "carry_out", "describe", "report", "runs"]

FLAGS = ("archs", "norms", *trained.FLAGS)

# Architectures, and the presets that have all but the norm.
ARCHS = {"large_dcgan": "large_dcgan_bn", "resnet": "large_resnet_bn"}
NORMS = ("bn", "cd", "zca-64", "itn")


def runs(options):
    """One for each architecture and norm."""
    found = []
    for arch in chosen("archs", options.archs, ARCHS):
        config = presets.PRESETS[ARCHS[arch]]
        if options.scale == "small":
            config = dataclasses.replace(config, **trained.SMALL)
        config = options.override(config)
        for norm in dict.fromkeys(options.norms or NORMS):
            found.append(Run(f"{arch}_{norm}", dataclasses.replace(config, **parse_norm(norm))))
    return found


def report(outcomes, out):
    """Distance and score of each architecture and norm."""
    config = outcomes[0].run.config
    distance, score = trained.distance_name(config), trained.score_name(config)
    rows, panels = [], {}
    for outcome in outcomes:
        of, result = outcome.run.config, trained.result(outcome)
        norm = norm_name(of.norm, of.group_size)
        rows.append(
            {
                "architecture": of.arch,
                "norm": norm,
                distance: result.distance,
                score: result.score,
                f"{score} deviation": result.deviation,
                "state": outcome.state,
            }
        )
        bars = panels.setdefault(f"{of.arch}, {of.steps:,} steps", {})
        label = norm + (" (diverged)" if result.distance is None else "")
        bars[label] = {distance: result.distance}
    out.write(table=(f"{distance} and {score} at the end of training.", rows))
    charts.write_bars(out / "figure.png", panels, distance)
