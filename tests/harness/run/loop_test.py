"""The loop: steps, actions, and leaving on a signal."""

import itertools
import os
import signal
import threading

import pytest
import tqdm

from harness.errors import Diverged, UserError
from harness.run import actions, loop


def never(step):
    raise AssertionError("not interrupted")


def test_steps_and_actions_come_in_order():
    seen = []
    loop.run(
        lambda step, batch: {"loss": 10 * step + batch},
        iter([3, 4, 5]),
        [lambda step, logs: seen.append((step, logs["loss"]))],
        2,
        5,
        never,
    )
    assert seen == [(3, 23), (4, 34), (5, 45)]


def test_a_finished_run_takes_no_batch():
    loop.run(lambda step, batch: {}, iter(()), [], 5, 5, never)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_it_came_in(number):
    saved, taken = [], []

    def take_step(step, batch):
        taken.append(step)
        if step == 3:
            os.kill(os.getpid(), number)
        return {}

    before = signal.getsignal(number)
    with pytest.raises(UserError, match="step 4 of 10"):
        loop.run(take_step, itertools.repeat(None), [], 0, 10, saved.append)
    assert saved == [4]
    assert taken == [0, 1, 2, 3]
    assert signal.getsignal(number) == before


def test_a_signal_in_the_last_step_lets_the_run_end():
    def take_step(step, batch):
        if step == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    done = []
    loop.run(take_step, itertools.repeat(None), [lambda *_: done.append(1)], 0, 10, never)
    assert len(done) == 10


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_signal_is_not_held_back():
    def take_step(step, batch):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    with pytest.raises(KeyboardInterrupt):
        loop.run(take_step, itertools.repeat(None), [], 0, 10, never)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_the_step_is_being_saved_do_not_keep_it_from_that(number):
    saved = []

    def take_step(step, batch):
        os.kill(os.getpid(), number)
        return {}

    def save(step):
        for _ in range(3):
            os.kill(os.getpid(), number)
        saved.append(step)

    with pytest.raises(UserError, match="Interrupted at step 1 of 10, which is saved"):
        loop.run(take_step, itertools.repeat(None), [], 0, 10, save)
    assert saved == [1]


def test_every_comes_at_its_period_and_at_the_last_step():
    seen = []
    action = actions.every(3, 8, lambda step, logs: seen.append(step))
    for step in range(1, 9):
        action(step, {})
    assert seen == [3, 6, 8]


def test_a_loss_that_is_not_finite_is_named_with_its_step():
    finite = actions.FiniteLosses([5, 7], 100)
    for step in range(1, 5):
        finite(step, {"loss": float("nan") if step == 3 else 1.0})
    with pytest.raises(Diverged, match="loss is nan at step 3"):
        finite(5, {"loss": 1.0})


def test_losses_are_looked_at_before_each_of_the_periods():
    for step in (5, 7, 100):
        with pytest.raises(Diverged, match=f"step {step}"):
            actions.FiniteLosses([5, 7], 100)(step, {"loss": float("inf")})
    actions.FiniteLosses([5, 7], 100)(6, {"loss": float("inf")})


def test_all_leave_where_any_is_interrupted():
    asked, saved = [], []

    def agree(interrupted):
        asked.append(bool(interrupted))
        return len(asked) == 3

    with pytest.raises(UserError, match="Interrupted at step 3 of 9"):
        loop.run(lambda *_: {}, itertools.repeat(0), [], 0, 9, saved.append, agree)
    assert asked == [False] * 3
    assert saved == [3]


def test_the_screen_takes_no_semaphore_that_a_killed_process_would_leave():
    assert isinstance(tqdm.tqdm.get_lock(), type(threading.RLock()))


def test_the_time_left_is_by_the_pace_since_the_run_went_on(monkeypatch, capsys):
    now = iter([100.0, 110.0])
    monkeypatch.setattr(actions.time, "monotonic", lambda: next(now))
    screen = actions.Screen(90, 200)
    screen.losses(95, {"loss": 0.5})
    # 5 steps in 10 s, and 105 steps to go.
    assert capsys.readouterr().out == "step 95/200  loss 0.5000  2000 ms/step  03:30 left\n"
