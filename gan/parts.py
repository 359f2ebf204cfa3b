"""What a run is made of, from a configuration: images, networks, features."""

import typing

import numpy as np

from gan.measuring import split_statistics
from gan.metrics.features import FeatureNetwork, load_features
from gan.metrics.network_inputs import Takes
from gan.metrics.statistics import Statistics
from gan.trainer import Trainer
from harness.datasets import Images, held_out_split, image_kind, load_images, stream_images
from harness.datasets.identity import identity
from harness.datasets.labelled import check_alike
from harness.errors import UserError
from harness.networks import check_memory, making_networks
from harness.run.actions import Progress


class Parts(typing.NamedTuple):
    """What a run is made of; `reference` are the test images' statistics."""

    trainer: Trainer
    training: Images
    test: Images
    features: FeatureNetwork
    reference: Statistics

    def facts(self):
        """What the images and the feature network are, a dict of strings."""
        images = identity(train=self.training, test=self.test)
        return images | {"features": self.features.fingerprint}


def prepare(config, strategy):
    """Makes all that a run needs before it begins, so that a mistake costs nothing.

    Raises:
        UserError: there is no such data, network or feature network.
    """
    trainer = make_trainer(config, strategy)
    training, test = splits(config)
    trainer.label_shares = label_shares(config, training)
    features = feature_network(config)
    reference = split_statistics(
        test, config.eval_samples, features, config.seed, config.image_size
    )
    return Parts(trainer, training, test, features, reference)


def label_shares(config, training):
    """How often each class comes in training images, where samples are to follow it; else None."""
    if config.sample_labels is None or config.conditional == "none":
        return None
    return np.bincount(training.labels, minlength=training.num_classes) / len(training.labels)


def feature_network(config):
    """The `FeatureNetwork` that a configuration names; raises `UserError` if there is none."""
    takes = Takes(config.feature_size, config.feature_range, config.feature_layout)
    return load_features(config.features, takes)


def make_trainer(config, strategy):
    """The `Trainer` for the images of the dataset; raises `UserError` if there cannot be one."""
    kind = image_kind(config.dataset, config.data_dir)
    if kind.num_classes is None and config.conditional != "none":
        raise UserError(
            f"--conditional needs images with classes, as DIR/train/CLASS/IMAGE. Received: "
            f"conditional={config.conditional}, --data_dir={config.data_dir} without"
        )
    with making_networks():
        trainer = Trainer(config, kind, strategy)
        batch = config.batch_size * max(1, config.generator_batch_multiple)
        check_memory(trainer.models, batch)
    return trainer


def splits(config):
    """The training split and that which samples are measured against: `Images`, or as streamed."""
    name, data_dir = config.dataset, config.data_dir
    training = images(config, "train")
    split = config.test_split or held_out_split(name, data_dir)
    if split == "train" or split is None:
        print(
            f"Measured against the {len(training.labels):,} training images of {name}: "
            f"{'no other split is there' if split is None else '--test_split=train'}."
        )
        return training, training
    test = images(config, split)
    check_alike(training, test)
    return training, test


def images(config, split):
    """The `Images` of a split, or `EncodedImages` where they are streamed."""
    if not config.stream:
        return load_images(config.dataset, split, config.data_dir, config.image_size)
    if config.image_size is None:
        raise UserError(
            "--stream needs --image_size, to which images are resized as they are read. "
            "Received: image_size=None"
        )
    progress = Progress(f"files of {config.dataset} {split}")
    return stream_images(config.dataset, split, config.data_dir, progress)
