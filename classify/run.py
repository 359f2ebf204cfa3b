"""A run: from a configuration to a directory with all that came of it."""

from classify import inputs, parts
from classify.best import Best
from classify.covariate_shift import CovariateShift
from classify.export import export, export_folded
from classify.identity import SUBSETS, facts, keep_scaling, subset_of
from classify.trainer import Trainer, describe, take_weights
from harness.datasets.labelled import line_of_missing
from harness.errors import UserError
from harness.figures.lines import write_curves
from harness.files import whole_directory
from harness.networks import size_in_bytes
from harness.run import run
from harness.run.identity import check_data, keep_data
from tfnorm.layers.sites import normalization_sites


class Run(run.Run):
    """A run that trains a classifier, measures it and exports it.

    Attributes:
        shift: the `CovariateShift` that is measured, or None.
        subset: how training images are taken, a key of `identity.SUBSETS`.
        facts: what the images are, from `prepare` on, a dict of strings.
    """

    # What trains: an experiment may have another.
    trainer_class = Trainer
    lengths = ("steps", "epochs")
    products = ("model_folded", "model")

    def __init__(self, config, path=None, strategy=None):
        super().__init__(config, path, strategy)
        self.keep = config.keep_checkpoints
        self.shift = None
        self.subset = subset_of(self.directory)

    def asked_products(self):
        """All of them, or all but the folded model."""
        return self.products if self.config.fold else self.products[-1:]

    @property
    def steps(self):
        """Steps in all: those of the configuration, or of its epochs."""
        return self.parts.steps

    def prepare(self):
        """Sets `parts`, a `Parts`, and `shift`; raises `UserError`."""
        self.seed()
        self.parts = parts.prepare(
            self.config,
            self.strategy,
            self.trainer_class,
            SUBSETS[self.subset],
            self.compare_data,
        )
        self.facts = facts(self.parts, self.subset)
        if self.directory is not None:
            check_data(self.directory, self.facts)
        if self.config.shift_estimators is not None:
            self.shift = CovariateShift(self.config, self.parts)

    def describe(self):
        """Shows what comes of the configuration; the images need not be there."""
        self.seed()
        self.show(parts.make_trainer(self.config, self.strategy))

    def begin(self):
        """Keeps what the images are, and shows what comes of the configuration."""
        keep_scaling(self.directory, self.parts)
        keep_data(self.directory, self.facts, self.session.first > 0)
        super().begin()
        if self.directory.writes:
            training, test, epoch = self.parts.training, self.parts.test, self.parts.epoch
            print(
                f"\n{len(training.labels):,} training and {len(test.labels):,} test images, "
                f"{training.num_classes} classes; an epoch is {epoch:,} steps."
            )
            missing = line_of_missing(training)
            if missing:
                print(missing)

    def start_from(self, run_dir):
        """Takes the weights of another run's best network, layer by layer, where they fit."""
        # Whose networks may have an experiment's layers, and that experiment has its own `Run`.
        from classify.saved import best_network, run_config

        run_config(run_dir)
        taken, left = take_weights(self.parts.trainer.model, best_network(run_dir)[0])
        if not taken:
            raise UserError(
                "No layer of this network has the name and shape of one of the run that it is to "
                f"start from. Received: init_from={run_dir}"
            )
        others = f"; new are {', '.join(left)}" if left else ""
        print(f"Starts with the best network of {run_dir}: {len(taken)} layers{others}.")

    def kept_state(self):
        """The network as it was when the covariate shift was measured last."""
        return {} if self.shift is None else {"before": self.shift.before}

    def batches(self):
        """Batches of shuffled, augmented and scaled training images."""
        config, images, first = self.config, self.parts.training, self.session.first
        make = inputs.training_input_fn(
            images,
            config.batch_size,
            config.augmentation,
            self.parts.scaling,
            image_size=config.image_size,
            seed=config.seed,
            first_step=first,
        )
        batches = self.strategy.distribute_datasets_from_function(make)
        return inputs.attributed(
            batches, images, config.batch_size, seed=config.seed, first_step=first
        )

    def actions(self):
        """Measures accuracy, and keeps the best network; measures the covariate shift."""
        epoch = self.parts.epoch
        best = Best(self.parts.trainer.model, self.directory, self.session.history)
        evaluation = self.session.evaluation(lambda: best(self._measure()), describe)
        actions = [(self.config.eval_every or epoch, evaluation)]
        if self.shift is not None:
            every = self.shift.period
            measurement = self.session.evaluation(self.shift, self.shift.describe)

            def measure_shift(step, logs):
                # Not at the end of the run, where that is less than a period after the last.
                if step and step % every == 0:
                    measurement(step)

            actions.append((every, measure_shift))
        return actions

    def finish(self):
        """Draws the curves and writes the model."""
        directory, model, scaling = self.directory, self.parts.trainer.model, self.parts.scaling
        panels = {
            "Cross-entropy (nats)": ["loss", "test_loss"],
            "Accuracy": ["accuracy", "test_accuracy"],
        }
        panels |= self.shift.panels() if self.shift else {}
        rows = self.session.history.rows()
        write_curves(directory / "curves.png", rows, panels, smoothed=["loss", "accuracy"])
        if self.config.fold:
            self._export_folded()
        with whole_directory(directory / "model", size_in_bytes(model)) as aside:
            export(model, scaling, aside, self.parts.training.class_names)
        print(f"The run is complete: see {directory.path}, its curves.png and model/.")

    def _export_folded(self):
        model = self.parts.trainer.model
        images = next(iter(self._test_batches()))["images"][:64]
        with whole_directory(self.directory / "model_folded", size_in_bytes(model)) as aside:
            folded, difference = export_folded(
                model, self.parts.scaling, aside, images, self.parts.training.class_names
            )
        count, left = len(normalization_sites(model)), len(normalization_sites(folded))
        print(
            f"Folded {count - left} of {count} normalizations: the logits of {len(images)} images "
            f"differ by {difference:.1e}, relatively."
        )

    def _measure(self):
        result = self.parts.trainer.evaluate(self._test_batches())
        return {name: value for name, value in result.items() if isinstance(value, float)}

    def _test_batches(self):
        return inputs.named_evaluation_batches(
            self.parts.test, self.parts.scaling, self.config.image_size
        )
