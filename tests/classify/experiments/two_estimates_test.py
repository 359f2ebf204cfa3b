"""A run with layers that follow both estimates, from its start to its files."""

import dataclasses

from classify import presets
from classify.experiments import estimation
from classify.experiments.two_estimates import TwoEstimates
from classify.saved import best_network
from harness.run.directory import History, RunDirectory

CONFIG = dataclasses.replace(
    presets.whitened(presets.MLP, "zca", 4),
    dataset="digits",
    image_size=8,
    depth=2,
    width=6,
    batch_size=64,
    steps=20,
    eval_every=20,
)


def test_a_job_has_both(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    estimation.carry_out(CONFIG, directory)
    *_, last = History(directory).rows()
    assert last["step"] == 20
    assert last["test_loss"] != last["matrix_test_loss"]
    model, _ = best_network(directory.path)
    assert sum(isinstance(layer, TwoEstimates) for layer in model.layers) == 2
    assert (directory / estimation.EXPERIMENT.product).exists()
