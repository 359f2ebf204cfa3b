"""Schedules of the learning rate: functions of the step, stretched over the run."""

import math

import keras

# The least rate of the authors' cosine on ImageNet.
LEAST_RATE = 1e-5


def _constant(config, steps):
    return config.learning_rate


def _steps(config, steps):
    # `PiecewiseConstantDecay` changes after its boundary.
    boundaries = [math.ceil(share * steps) - 1 for share in config.decay_shares]
    rates = [config.learning_rate * config.decay_rate**i for i in range(len(boundaries) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


def _cosine(config, steps):
    least = min(LEAST_RATE / config.learning_rate, 1.0)
    return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps, alpha=least)


SCHEDULES = {"steps": _steps, "cosine": _cosine, "constant": _constant}


def learning_rate(config, steps):
    """Makes the learning rate of a run as Keras optimizers take it: a number, or a schedule.

    Args:
        config: a `config.Config`. With "steps" the rate is multiplied by `decay_rate` at each of
            `decay_at`, shares of the run: 61/200 of 200 epochs is from the epoch on that has 61
            before it. With "cosine" it falls from `learning_rate` to 1e-5 along half a period.
        steps: of the run.

    Returns:
        A float, or a function of the step, counted from 0.

    Raises:
        ValueError: there is no such schedule.
    """
    return SCHEDULES[config.schedule](config, steps)
