"""Internal covariate shift of a network: how far its layers' outputs go from state to state."""

import dataclasses

import numpy as np

from classify.inputs import scaled_images
from harness.datasets import Images
from harness.datasets.taking import taken
from harness.errors import Diverged, UserError
from tfnorm.analysis.covariate_shift import Shift
from tfnorm.analysis.em_distance import ESTIMATORS
from tfnorm.analysis.layer_outputs import NotFiniteError, layer_tensors
from tfnorm.layers.sites import normalization_sites

# Huang and Yu, section 2.2: layers of a ResNet-110, which has as many normalizations.
LAYERS, OF_LAYERS = (60, 69, 78, 87, 96, 105), 110


class CovariateShift:
    """The distance between the network as it is and as it was, and how it was.

    Args:
        config: a `config.Config` with `shift_estimators`.
        parts: the `parts.Parts` of the run: critics are trained on its training images, without
            augmentation, and distances are estimated on its test images.

    Attributes:
        period: steps between the two states that are compared.

    Raises:
        UserError: there is no such estimator or layer, there are too many images, or the run ends
            before the first measurement.
    """

    def __init__(self, config, parts):
        self._config = config
        self._estimators = _estimators(config)
        self._trains = any(estimator.trains for estimator in self._estimators.values())
        model = parts.trainer.model
        layers = _layers(config, model)
        self._shift = Shift(model, layers, self._estimators, seed=config.seed)
        self._images = [_spread(config, images) for images in (parts.test, parts.training)]
        self._scaling = parts.scaling
        self.period = _period(config, parts)

    @property
    def before(self):
        """The network as it was: a checkpoint has to keep it."""
        return self._shift.before

    def follow(self):
        """Takes the network as it is for how it was."""
        self._shift.follow()

    def __call__(self):
        """What `Shift.measure` does and returns; raises `Diverged` at outputs not finite."""
        size = self._config.image_size
        used = self._images[: 1 + self._trains]  # test images first
        try:
            return self._shift.measure(
                *(scaled_images(images, self._scaling, size) for images in used)
            )
        except NotFiniteError as error:
            raise Diverged(f"The covariate shift cannot be measured: {error}") from error

    def describe(self, result):
        """What was measured, in a line, by the names of `metrics.jsonl`."""
        names = [f"shift_{name}{end}" for name in self._estimators for end in ("", "_null")]
        return ", ".join(f"{name} {result[name]:.4g}" for name in names)

    def panels(self):
        """Titles of panels and the names of the values in them, for `plots.write_curves`."""
        return {
            f"Covariate shift, {name}": [f"shift_{name}", f"shift_{name}_null"]
            for name in self._estimators
        }


def _estimators(config):
    estimators = make_estimators(config.shift_estimators, steps=config.shift_steps)
    if config.shift_rate is not None:
        if "clipped" not in estimators:
            raise UserError(
                "--shift_rate is for the estimator clipped alone: add that to --shift_estimators, "
                "or leave --shift_rate out. "
                f"Received: shift_rate={config.shift_rate}, "
                f"shift_estimators={config.shift_estimators}"
            )
        rate = {"learning_rate": config.shift_rate}
        estimators["clipped"] = dataclasses.replace(estimators["clipped"], **rate)
    trains = any(estimator.trains for estimator in estimators.values())
    if config.shift_steps is not None and not trains:
        raise UserError(
            "--shift_steps is for the estimators that train a critic, clipped and penalized: add "
            "one to --shift_estimators, or leave --shift_steps out. "
            f"Received: shift_steps={config.shift_steps}, "
            f"shift_estimators={config.shift_estimators}"
        )
    return estimators


def make_estimators(names, **settings):
    """The estimators of a comma-separated list, a dict by name.

    Args:
        names: of `ESTIMATORS`.
        **settings: fields of estimators, each for those that have it; None: as they have it.
    """
    estimators = {}
    for name in names.split(","):
        if name not in ESTIMATORS:
            raise UserError(
                f"--shift_estimators must be of {', '.join(ESTIMATORS)}, with commas. "
                f"Received: {names}"
            )
        known = {item.name for item in dataclasses.fields(ESTIMATORS[name])}
        given = {k: v for k, v in settings.items() if k in known and v is not None}
        estimators[name] = ESTIMATORS[name](**given)
    return estimators


def _layers(config, model):
    """Names of the layers to measure, in the order that they were given in."""
    if config.shift_layers is not None:
        names = list(dict.fromkeys(config.shift_layers.split(",")))
        try:
            layer_tensors(model, names)
        except ValueError as error:
            raise UserError(f"--shift_layers: {error}") from error
        return names
    sites = [site.name for site in normalization_sites(model)]
    if not sites:
        raise UserError(
            "The network has no normalization whose output could be measured: name the layers to "
            "measure as --shift_layers."
        )
    places = [round(number * len(sites) / OF_LAYERS) for number in LAYERS]
    return list(dict.fromkeys(sites[max(place, 1) - 1] for place in places))


def _period(config, parts):
    """Steps from one measurement to the next."""
    period = config.shift_every or parts.epoch
    if period > parts.steps:
        raise UserError(
            "--shift_estimators needs a run that is as long as --shift_every, of which none is an "
            f"epoch: train longer, or give a smaller --shift_every. Received: {parts.steps:,} "
            f"steps, {period:,} from one state that is compared to the next"
        )
    return period


def _spread(config, images):
    """Those of the images that are used: as many as asked for, from first to last."""
    count, there = config.shift_samples, len(images.labels)
    if count is None and not isinstance(images, Images):
        raise UserError(
            f"The {there:,} images of {images.name} {images.split} are not held in memory: say how "
            "many of them the covariate shift is measured on, as --shift_samples."
        )
    if count is None or count >= there:
        return images
    rows = np.linspace(0, there - 1, count).round().astype(np.int64)
    return taken(images, rows)
