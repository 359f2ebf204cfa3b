"""A run: from a configuration to a directory with all that came of it."""

from gan import parts
from gan.export import export
from gan.measuring import measure_samples, split_statistics
from gan.metrics.evaluation import describe, few_images, training_distance
from gan.saved import run_config
from harness.datasets import image_kind
from harness.datasets.batches import attributed, input_fn
from harness.datasets.labelled import line_of_missing
from harness.errors import UserError
from harness.figures import pictures
from harness.figures.lines import write_curves
from harness.files import whole_directory
from harness.networks import size_in_bytes
from harness.run import run
from harness.run.actions import Samples
from harness.run.identity import check_data, keep_data, kept


class Run(run.Run):
    """A run that trains a GAN, measures its samples and exports its generator."""

    products = ("generator",)

    def common_facts(self):
        """Of images also what networks are made of, which is before the images are read."""
        kind = image_kind(self.config.dataset, self.config.data_dir)
        return super().common_facts() | {"images": kind._asdict()}

    def prepare(self):
        """Sets `parts`, a `Parts`; raises `UserError`."""
        self.seed()
        self.parts = parts.prepare(self.config, self.strategy)
        self.facts = self.parts.facts()
        self.workers.compare(self.facts)
        if self.directory is not None:
            check_data(self.directory, self.facts)
            self._check_features()

    def describe(self):
        """Shows what comes of the configuration; the images need not be there."""
        self.seed()
        self.show(parts.make_trainer(self.config, self.strategy))

    def begin(self):
        """Keeps what the images are, and shows what comes of the configuration."""
        keep_data(self.directory, self.facts, self.session.first > 0)
        super().begin()
        if self.directory.writes:
            features, reference = self.parts.features, self.parts.reference
            if features.takes is not None:
                print(f"{features.name} features: {features.takes}")
            counts = [("samples", self.config.eval_samples), (reference.name, reference.count)]
            print("\n".join([*few_images(counts, len(reference.mean)), ""]))
            missing = line_of_missing(self.parts.training)
            if missing and self.config.conditional != "none":
                print(missing)

    def start_from(self, run_dir):
        """Takes the weights of another run of this program."""
        run_config(run_dir)
        step = self.parts.trainer.start_from(run_dir)
        print(f"Starts with the weights of {run_dir} after {step} steps.")

    def batches(self):
        """Batches of shuffled training images, of each step `n_dis`."""
        images, config = self.parts.training, self.config
        order = (images, config.batch_size, config.n_dis, config.seed, self.session.first)
        make = input_fn(*order, dequantize=True, image_size=config.image_size)
        return attributed(self.strategy.distribute_datasets_from_function(make), *order)

    def actions(self):
        """Draws a grid of samples, and measures samples."""
        draw = Samples(self.directory, self.session.board, self.parts.trainer.fixed_samples)
        evaluation = self.session.evaluation(self._measure, describe)
        return [(self.config.eval_every, draw), (self.config.eval_every, evaluation)]

    def finish(self):
        """Compares with the training images, draws the curves and writes the generator."""
        parts, directory = self.parts, self.directory
        count, seed = self.config.eval_samples, self.config.seed
        size = self.config.image_size
        if parts.test is not parts.training:  # from which they are at no distance
            real = split_statistics(parts.training, count, parts.features, seed, size)
            print(training_distance(real, parts.reference)[1])
        _draw_curves(directory, self.session.history.rows())
        sampler = parts.trainer.sampler
        with whole_directory(directory / "generator", size_in_bytes(sampler)) as aside:
            export(sampler, aside)
        print(
            f"The run is complete: see {directory.path}, its samples/, curves.png and generator/."
        )

    def _check_features(self):
        """Compares the feature network by its name, where the run began without `data.json`."""
        file = self.directory / "config.json"
        if kept(self.directory) is None and file.exists():
            then = self.directory.config().get("features")
            if then != self.config.features:
                raise UserError(
                    f"{self.directory.path} holds a run with another --features, and no data.json "
                    f"that tells what it was. Received: {self.config.features}, {then} then"
                )

    def _measure(self):
        parts, config = self.parts, self.config
        return measure_samples(
            parts.trainer.samples,
            config.eval_samples,
            parts.reference,
            parts.features,
            config.score_samples,
        )


def _draw_curves(directory, rows):
    """Draws losses, what was measured of samples, and samples, as `curves.png`."""
    losses = ["discriminator_loss", "generator_loss"]
    panels = {"Losses": losses, "Fréchet distance": ["frechet_distance"]}
    if any(row.get("inception_score") is not None for row in rows):  # whose features have logits
        panels["Inception Score"] = ["inception_score"]
    write_curves(
        directory / "curves.png",
        rows,
        panels,
        logarithmic=["Fréchet distance"],
        pictures=_grids(directory / "samples"),
        smoothed=losses,
    )


def _grids(folder, count=4):
    """Sample grids from the first to the last, at most `count`, and the steps that they are of."""
    files = sorted(folder.glob("*.png"))
    chosen = {round(i * (len(files) - 1) / (count - 1)) for i in range(count)} if files else ()
    found = []
    for file in (files[i] for i in sorted(chosen)):
        try:
            found.append((f"step {int(file.stem)}", pictures.read_png(file).numpy()))
        except ValueError as error:
            print(f"{error}: curves.png is without it.")
    return found
