"""Compares two sides, as images or statistics of images, and writes what comes of it."""

import json
import pathlib
import typing

from gan import parts
from gan.config import FEATURES
from gan.measuring import in_memory, source_statistics, split_statistics
from gan.metrics import sources
from gan.metrics.evaluation import METRICS, compare, few_images, table, training_distance
from gan.metrics.statistics import Statistics, save
from gan.saved import run_config
from gan.sides import Opening, has_both, is_split, makes_images, open_run, open_side
from harness.errors import UserError
from harness.files import whole_file, write_whole
from harness.outputs import check_file
from harness.run.directory import RunDirectory
from harness.versions import versions


class Asked(typing.NamedTuple):
    """What is asked of a comparison.

    Attributes:
        metrics: keys of `METRICS`.
        rows: images of each side whose features are kept.
        num_classes: of a generator that no run tells of, or None.
        out: the path of the JSON file to write, no link, or None.
        save: that of the file to write the statistics of the reference to, or None.
        npz: which is taken from an .npz file that has both, of `sources.TAKES`.
        given: names of the flags of images and features that were given.
    """

    metrics: typing.Sequence[str]
    rows: int
    num_classes: int | None
    out: pathlib.Path | None
    save: pathlib.Path | None = None
    npz: str = sources.STATISTICS
    given: typing.Sequence[str] = ()


def compare_run(run_dir, override, asked):
    """Measures the samples of a run that is complete against the test split of its dataset.

    Without `asked.out` the numbers go to evaluation.json in the run's directory. There is no
    `training_distance` where it is the training images that samples are measured against.

    Args:
        run_dir: its directory.
        override: function from its `Config` to the one that holds here.
        asked: an `Asked`.

    Raises:
        UserError: there is no such run, data or feature network.
    """
    run_dir = pathlib.Path(run_dir)
    own = run_config(run_dir)
    config = override(own)
    out = asked.out or RunDirectory(run_dir).evaluation()
    read = {"data_dir": config.data_dir, "features": config.features}
    out = check_file("out", out, read)
    if asked.save is not None:
        check_file("save_statistics", asked.save, read)
    training, test = parts.splits(config)
    has_test = test is not training
    opening = Opening(
        config.data_dir,
        config.image_size,
        asked.num_classes,
        config.seed,
        label_shares=parts.label_shares(config, _trained_on(own, config, training)),
    )
    available = len(test.labels)
    test = in_memory(test, config.image_size, config.eval_samples, config.seed)
    sides = open_run(run_dir, opening), sources.from_split(test, config.seed)
    features = parts.feature_network(config)
    result, reference = _compare(sides, features, config, asked)
    print(table(result))
    size = config.image_size
    result |= {"reference_available": available, "training_distance": None, "step": own.steps}
    if has_test:
        real = split_statistics(training, config.eval_samples, features, config.seed, size)
        result["training_distance"], comparison = training_distance(real, reference)
        print(comparison)
    _write(out, result)


def _trained_on(own, config, training):
    """The images that a run was trained on, whose classes are its generator's.

    Args:
        own: the run's `Config`.
        config: the one that holds here, maybe of another dataset.
        training: the images of that to train on.
    """
    if config.sample_labels is None or config.dataset == own.dataset:
        return training
    return parts.images(own, "train")


def compare_pair(pair, config, image_size, asked):
    """Measures any images against any others.

    Args:
        pair: dict of `generated` and `reference`, what a user names them.
        config: a `Config` for the rest.
        image_size: height and width that images are brought to; None: they keep theirs.
        asked: an `Asked`.

    Raises:
        UserError: there are no such images, or no such feature network.
    """
    sides = _open_sides(pair, config, image_size, asked)
    files = all(isinstance(side, Statistics) for side in sides)
    _check_used(pair, files, asked.given)
    features = None if files else parts.feature_network(config)
    result, _ = _compare(sides, features, config, asked)
    print(table(result))
    if asked.out is not None:
        _write(asked.out, result)


def measure(side, config, image_size, asked):
    """Writes the statistics of any images to a file, to be a side of comparisons.

    Args:
        side: dict of `generated` or `reference`, what a user names it.
        config, image_size, asked: as in `compare_pair`.

    Raises:
        UserError: as `compare_pair`, or it is statistics already.
    """
    (opened,) = _open_sides(side, config, image_size, asked)
    if isinstance(opened, Statistics):
        ((flag, spec),) = side.items()
        raise UserError(
            f"--save_statistics computes statistics of images, and --{flag} is a file of "
            f"statistics already. Received: {flag}={spec}"
        )
    features = parts.feature_network(config)
    statistics = _statistics(opened, features, config, rows=0)
    _save(statistics, asked.save)
    for line in few_images([(statistics.name, statistics.count)], len(statistics.mean)):
        print(line)


def _open_sides(specs, config, image_size, asked):
    if asked.num_classes is not None and not any(map(makes_images, specs.values())):
        raise UserError(
            "--num_classes is for a generator that takes labels. Received: num_classes="
            f"{asked.num_classes}, and no generator"
        )
    opening = Opening(config.data_dir, image_size, asked.num_classes, config.seed, asked.npz)
    return [open_side(f"--{flag}", spec, opening) for flag, spec in specs.items()]


def _check_used(pair, are_statistics, given):
    """Raises `UserError` at a flag that changes nothing of what the sides are.

    Args:
        pair: dict of what a user names them.
        are_statistics: whether both are statistics already.
        given: names of the flags that were given.
    """
    of_images = (*FEATURES, "image_size", "eval_samples", "score_samples")
    idle = dict.fromkeys(of_images, "images on a side") if are_statistics else {}
    if not any(map(is_split, pair.values())):
        idle["data_dir"] = "a split of a dataset on a side, NAME:SPLIT"
    if not any(has_both(spec) for spec in pair.values()):
        idle["npz"] = "an .npz file that has images and statistics"
    for flag in given:
        if flag in idle:
            received = ", ".join(f"{name}={spec}" for name, spec in pair.items())
            raise UserError(
                f"--{flag} must come with {idle[flag]}: else it changes nothing. "
                f"Received: {received}"
            )


def _save(statistics, path):
    with whole_file(path, statistics.covariance.nbytes) as aside, open(aside, "wb") as file:
        save(statistics, file)
    count = "" if statistics.count is None else f" of {statistics.count:,} images"
    print(f"Wrote {path}, statistics{count} of {statistics.name}.")


def _compare(sides, features, config, asked):
    """The result that is written of two sides, and the `Statistics` of the second."""
    generated, reference = sides
    rows = asked.rows if any(METRICS[name].needs_rows for name in asked.metrics) else 0
    if features is not None:
        try:
            sources.check_comparable(sides, features)
        except ValueError as error:
            raise UserError(str(error)) from error
    if getattr(reference, "split", None) is not None and not rows:  # which may be in a file
        real = split_statistics(reference.split, config.eval_samples, features, config.seed)
    else:
        real = _statistics(reference, features, config, rows)
    if asked.save is not None:
        _save(real, asked.save)
    scored = config.score_samples if "inception_score" in asked.metrics else None
    made = _statistics(generated, features, config, rows, scored)
    _check_one_network(made, real)
    try:
        result = compare(made, real, asked.metrics, config.seed)
    except ValueError as error:
        raise UserError(f"{made.name} and {real.name} cannot be compared: {error}") from error
    result |= {
        "features": features and features.name,
        "features_fingerprint": features and features.fingerprint,
        "features_take": features and features.takes,
        "generated_available": getattr(generated, "count", None),
        "reference_available": getattr(reference, "count", None),
        "seed": config.seed,
        "versions": versions("tfnorm", "tensorflow", "keras", "numpy", "python"),
    }
    return result, real


def _check_one_network(made, real):
    """Raises `UserError` where two files of statistics say that they are of two networks."""
    prints = made.fingerprint, real.fingerprint
    if None not in prints and prints[0] != prints[1]:
        raise UserError(
            f"{made.name} and {real.name} must be statistics of the features by one network. "
            f"Received: networks with the fingerprints {prints[0]} and {prints[1]}"
        )


def _statistics(side, features, config, rows, score_count=None):
    if isinstance(side, Statistics):
        return side
    return source_statistics(side, config.eval_samples, features, rows, score_count, config.seed)


def _write(path, result):
    write_whole(path, json.dumps(result, indent=2) + "\n")
