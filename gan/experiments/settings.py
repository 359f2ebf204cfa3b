"""Table II: the settings of Adam over which the paper's GANs are trained.

Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020, supplement.
"""

import dataclasses

from harness.experiments.experiment import chosen

# The letters are those of the authors' scripts.
RATES = {"1e-4": 1e-4, "2e-4": 2e-4, "1e-3": 1e-3}
ADAM = {
    "A": {"beta1": 0.0, "beta2": 0.9, "n_dis": 1},
    "B": {"beta1": 0.5, "beta2": 0.9, "n_dis": 5},
    "C": {"beta1": 0.5, "beta2": 0.999, "n_dis": 5},
    "D": {"beta1": 0.5, "beta2": 0.999, "n_dis": 1},
    "E": {"beta1": 0.9, "beta2": 0.999, "n_dis": 5},
}
SETTINGS = {
    f"{rate}:{letter}": {"learning_rate": learning_rate, **fields}
    for rate, learning_rate in RATES.items()
    for letter, fields in ADAM.items()
}


def chosen_settings(given):
    """Names of settings: those given, as 2e-4:A, and all of a given rate or letter."""
    given = set(chosen("settings", given, [*SETTINGS, *RATES, *ADAM]))
    return [name for name in SETTINGS if given & {name, *name.split(":")}]


def setting_of(config):
    """The name of the setting that a configuration has."""
    fields = dataclasses.asdict(config).items()
    return next(name for name, setting in SETTINGS.items() if setting.items() <= fields)
