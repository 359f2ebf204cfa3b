"""A run from its last checkpoint to its end: what `gan` and `classify` do alike."""

import time

from harness.errors import Diverged
from harness.run import actions, loop, timing
from harness.run.checkpoints import Checkpoints
from harness.run.directory import History
from harness.run.strategies import agreement, check_same_step


class Session:
    """A run as it goes on in this process, from its last checkpoint, if there is one.

    Args:
        directory: a `RunDirectory`.
        trainer: has `step(step, batch) -> logs`, `is_finite()`, `strategy` and `state`, what a
            checkpoint has to keep, by name.
        last: steps of the run in all.
        keep: number of checkpoints that are kept; None: all.
        has_products: whether there is what a run writes at its end.
        **state: what a checkpoint has to keep beside the trainer's, by name: of actions.

    Attributes:
        first: steps that were taken before.
        history, board, screen: where an action writes.

    Raises:
        UserError: the checkpoint cannot be read or is gone, or processes have different ones.
    """

    def __init__(self, directory, trainer, last, keep=2, has_products=False, **state):
        self._directory = directory
        self._trainer = trainer
        self._last = last
        self.history = History(directory)
        self.board = actions.Board(directory / "events", directory.writes)
        self._checkpoints = Checkpoints(
            directory, self.history, self.board, keep, **trainer.state, **state
        )
        has_begun = has_products or any(row["step"] for row in self.history.rows())
        self.first = self._checkpoints.restore(has_begun)
        check_same_step(trainer.strategy, self.first)
        self.history.truncate(self.first or -1, self._checkpoints.history(self.first))
        self.screen = actions.Screen(self.first, last, quiet=not directory.writes)

    def evaluation(self, measure, describe):
        """The action that measures, and writes where this run does: see `actions.Evaluate`."""
        return actions.Evaluate(measure, describe, self.history, self.board, self.screen)

    def run(self, batches, periodic, log_every, checkpoint_every):
        """Takes the steps that are left.

        Args:
            batches: iterator of what a step takes, from that of step `first` on.
            periodic: list of (period, action), in their order: what the process that writes does
                at step 0, at each period-th step and at the last.
            log_every, checkpoint_every: periods, steps.

        Raises:
            UserError: the run was interrupted.
            Diverged: a loss or a weight is not finite.
        """
        first, last, screen = self.first, self._last, self.screen
        step, agree = self._trainer.step, agreement(self._trainer.strategy)
        periods = [log_every, checkpoint_every, *(period for period, _ in periodic)]
        finite = actions.FiniteLosses(periods, last)

        def save(step, logs=None):
            finite.look()
            if not self._trainer.is_finite():
                raise Diverged(
                    f"A weight is not finite after step {step}: the run stops, and its last "
                    "checkpoint is from before. A smaller learning rate may help."
                )
            self._checkpoints(step)

        self.board.restart(self.history.rows(), self._directory / "samples")
        screen.say(f"Writing to {self._directory.path}, from step {first} of {last}.")
        told = []
        if self._directory.writes:
            if first == 0:
                self._checkpoints.begin()
                for _, action in periodic:
                    action(0, {})
            told = [(log_every, actions.Log(self.history, self.board, screen)), *periodic]
        doings = [
            actions.every(period, last, action)
            for period, action in [*told, (checkpoint_every, save)]
        ]
        batches = timing.Waiting(batches)
        start = time.monotonic()
        loop.run(step, batches, [screen, finite, *doings], first, last, save, agree)
        screen.close()
        if last > first:
            share = batches.seconds / (time.monotonic() - start)
            screen.say(f"Of the time, {share:.2%} was spent waiting for data.")
