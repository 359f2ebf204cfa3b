"""Processes that train together, here threads of one: they compare, and end where one is lost."""

import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest
import tensorflow as tf

from harness.errors import Interrupted, UserError
from harness.run import patience
from harness.run.cluster import Cluster, Task
from harness.run.links import Link
from harness.run.workers import Workers
from tests.calls import wait_for
from tests.two_workers import free_ports

QUICK = patience.Patience(
    look=0.01,
    beat=0.05,
    silence=0.3,
    first=0.05,
    again=0.1,
    lost=0.1,
    left=0.1,
    over=0.3,
    verdict=1.0,
)
FACTS = {"learning_rate": 0.1, "seed": 0, "tensorflow": "2.21.0"}


class Process:
    """One of those that train together, with what it has said, and the line that has ended it."""

    def __init__(self, tasks, own, limit):
        self.said, self.ended = [], []
        self.workers = Workers(
            Cluster(tasks, own), limit, self.said.append, self.ended.append, QUICK
        )

    def outcome(self, facts):
        """Meets; returns the line of what is amiss, or None."""
        try:
            self.workers.meet(facts)
        except UserError as error:
            return str(error)
        return None


class Others:
    """What a test starts, and ends with it."""

    def __init__(self, stack):
        self._stack = stack

    def __call__(self, count, limit=20.0):
        tasks = [
            Task("worker", index, f"localhost:{port}")
            for index, port in enumerate(free_ports(count))
        ]
        processes = [Process(tasks, own, limit) for own in range(count)]
        for process in processes:
            self._stack.callback(process.workers.done)
        return processes


@pytest.fixture
def cluster():
    with contextlib.ExitStack() as stack:
        yield Others(stack)


def at_once(functions):
    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        return [each.result(30) for each in [pool.submit(function) for function in functions]]


def meet(processes, facts=None):
    """The outcomes of processes that meet, each with facts of its own, or the same."""
    facts = facts or [FACTS] * len(processes)
    return at_once(
        [
            lambda process=process, own=own: process.outcome(own)
            for process, own in zip(processes, facts, strict=True)
        ]
    )


def addresses(processes):
    return [task.address for task in processes[0].workers.cluster.tasks]


def test_those_that_are_alike_begin_and_compare_again(cluster):
    processes = cluster(3)
    assert meet(processes) == [None] * 3
    at_once([lambda p=p: p.workers.compare({"images": "10"}) for p in processes])
    for process in processes:
        process.workers.done()
    assert [process.ended for process in processes] == [[]] * 3
    assert processes[0].said == []
    where = addresses(processes)[2]
    assert processes[2].said[0] == f"Worker 2 of 3: started, at {where}."
    assert processes[2].said[-1] == "Worker 2 of 3: all are there."


@pytest.mark.parametrize(
    ("others", "received"),
    [
        ({"learning_rate": 0.2}, "learning_rate: 0.1 on workers 0, 2, 0.2 on worker 1"),
        ({"tensorflow": "2.20.0"}, "tensorflow: 2.21.0 on workers 0, 2, 2.20.0 on worker 1"),
        ({"depth": 3}, "depth: not there on workers 0, 2, 3 on worker 1"),
        (
            {"seed": 1, "learning_rate": 0.2},
            "learning_rate: 0.1 on workers 0, 2, 0.2 on worker 1; seed: 0 on workers 0, 2, 1 on "
            "worker 1",
        ),
    ],
)
def test_a_difference_is_one_line_on_each(cluster, others, received):
    processes = cluster(3)
    lines = meet(processes, [FACTS, FACTS | others, FACTS])
    line = f"All workers must have the same flags, data and versions. Received: {received}"
    assert lines == [line] * 3
    assert [process.ended for process in processes] == [[]] * 3


def test_a_difference_that_is_found_later_is_one_line_on_each(cluster):
    processes = cluster(2)
    assert meet(processes) == [None] * 2

    def compare(process, facts):
        with pytest.raises(UserError) as caught, process.workers:
            process.workers.compare(facts)
        return str(caught.value)

    lines = at_once([lambda i=i: compare(processes[i], {"images": str(i)}) for i in range(2)])
    assert lines[0] == lines[1] and lines[0].endswith("images: 0 on worker 0, 1 on worker 1")


def test_who_does_not_start_is_named_and_waited_for_no_longer_than_is_said(cluster):
    processes = cluster(4, limit=0.5)
    first, third = meet([processes[0], processes[2]])
    _, one, _, three = addresses(processes)
    assert first == third
    assert f"Received: nothing from workers 1, 3 of 4 at {one}, {three} in 0.5 s" in first
    for process in (processes[0], processes[2]):
        assert process.said.count(f"Waiting for workers 1, 3 of 4 at {one}, {three}.") > 1


def test_a_chief_that_does_not_start_is_named(cluster):
    processes = cluster(2, limit=0.3)
    (line,) = meet(processes[1:])
    assert f"nothing from worker 0 of 2 at {addresses(processes)[0]} in 0.3 s" in line
    assert processes[1].said[1].startswith("Waiting for worker 0 of 2 at")


def test_one_that_is_started_again_while_others_are_waited_for_is_welcome(cluster):
    processes = cluster(3)
    chief, again, last = processes
    tasks = chief.workers.cluster.tasks
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        outcomes = [pool.submit(chief.outcome, FACTS)]
        wait_for(lambda: chief.said)
        early = Link(socket.create_connection((tasks[0].host, tasks[0].port)))
        early.send(hello=1, tasks=tasks)
        early.send(round=0, facts=FACTS)
        wait_for(lambda: chief.said[-1].startswith("Waiting for worker 2 of"))
        early.close()
        wait_for(lambda: chief.said[-1].startswith("Waiting for workers 1, 2 of"))
        outcomes += [pool.submit(process.outcome, FACTS) for process in (again, last)]
        assert [each.result(30) for each in outcomes] == [None] * 3


def test_an_index_that_is_there_already_is_refused(cluster):
    processes = cluster(3)
    second = Process(processes[0].workers.cluster.tasks, 1, 20.0)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        both = [pool.submit(processes[i].outcome, FACTS) for i in (0, 1)]
        wait_for(lambda: any("worker 2 of" in line for line in processes[0].said))
        line = second.outcome(FACTS)
        assert "another `task`: `index` on each worker. Received: that of worker 1" in line
        assert processes[2].outcome(FACTS) is None
        assert [each.result(30) for each in both] == [None, None]


def test_another_cluster_is_one_line_on_each(cluster):
    processes = cluster(2)
    tasks = processes[0].workers.cluster.tasks
    other = Process([*tasks, Task("worker", 2, "c:1")], 1, 20.0)
    chief, line = at_once([lambda: processes[0].outcome(FACTS), lambda: other.outcome(FACTS)])
    assert chief == line
    assert line.startswith("TF_CONFIG must have the same cluster on all workers. Received: ")


@pytest.mark.parametrize("own", [0, 1])
def test_a_port_in_use_is_named(cluster, own):
    processes = cluster(2)
    address = addresses(processes)[own]
    with socket.create_server(("", int(address.split(":")[1]))):
        line = processes[own].outcome(FACTS)
    assert f"worker {own} in TF_CONFIG must be free" in line
    assert line.endswith(f"(Address already in use). Received: {address}")


def test_the_port_is_free_when_all_have_met_and_the_connections_stay(cluster):
    processes = cluster(2)
    assert meet(processes) == [None] * 2
    for address in addresses(processes):
        with socket.create_server(("", int(address.split(":")[1]))):
            at_once([lambda p=p: p.workers.compare({"step": 1}) for p in processes])


@pytest.mark.parametrize(
    "words",
    [
        *(b"", b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b'{"facts": 1}\n'),
        *(b'{"hello": 1}\n', b'{"hello": [], "tasks": []}\n'),
    ],
)
def test_a_stranger_at_the_port_is_not_heeded(cluster, words):
    processes = cluster(2)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        chief = pool.submit(processes[0].outcome, FACTS)
        wait_for(lambda: processes[0].said)
        port = int(addresses(processes)[0].split(":")[1])
        with socket.create_connection(("localhost", port)) as stranger:
            stranger.sendall(words)
            assert processes[1].outcome(FACTS) is None
            assert chief.result(30) is None


def test_strangers_that_say_nothing_are_let_go(cluster, monkeypatch):
    """And at once where there are too many of them: a worker comes in nevertheless."""
    monkeypatch.setattr("harness.run.post._STRANGERS", 2)
    processes, silence = cluster(2), 1.5
    processes[0].workers.post._patience = QUICK._replace(silence=silence)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        chief = pool.submit(processes[0].outcome, FACTS)
        wait_for(lambda: processes[0].said)
        where = ("localhost", int(addresses(processes)[0].split(":")[1]))
        start = time.monotonic()
        strangers = [stack.enter_context(socket.create_connection(where, 30)) for _ in range(3)]
        waits = []
        for stranger in reversed(strangers):
            assert stranger.recv(1) == b""
            waits.append(time.monotonic() - start)
        assert waits[0] < silence <= waits[1] + 0.05
        assert processes[1].outcome(FACTS) is None
        assert chief.result(30) is None


@pytest.mark.parametrize(
    "message",
    [
        {"facts": {}},
        {"round": 0, "facts": 1},
        {"round": -1, "facts": {}},
        {"round": [], "all": [{}, {}]},
        {"round": 7, "all": [{}]},
        {"awaited": [2]},
        {"lost": 2, "why": "x"},
        {"left": "1", "reason": "x"},
        {"failed": None},
        {"bye": True, "left": 0},
    ],
)
@pytest.mark.parametrize("own", [0, 1])
def test_one_that_sends_what_no_worker_sends_is_lost(cluster, own, message):
    processes = cluster(2)
    assert meet(processes) == [None] * 2
    processes[own].workers.post.send(**message)
    wait_for(lambda: processes[1 - own].ended)
    (line,) = processes[1 - own].ended
    assert f"Worker {own} of 2" in line and "is lost: it has sent what no worker sends" in line


def test_what_another_says_is_shown_in_one_line_that_no_terminal_obeys(cluster):
    processes = cluster(2)
    assert meet(processes) == [None] * 2
    processes[1].workers.post.send(left=1, reason="a\nb\x1b[2J" + "c" * 10**5)
    wait_for(lambda: processes[0].ended)
    (line,) = processes[0].ended
    assert " has left: a b\\x1b[2Jccc" in line and line.isprintable() and len(line) < 1200


def die(process):
    """Ends the connections as the end of a process does."""
    process.workers.post.close()


def sleep(process):
    """Lets nothing more be heard of a process, whose connections stay."""
    process.workers.post.send = lambda **message: None


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize(
    ("end", "why"), [(die, "its process has ended"), (sleep, "it has not answered for")]
)
def test_where_one_is_lost_each_of_the_others_says_which(cluster, end, why, lost):
    processes = cluster(3, limit=0.7)
    assert meet(processes) == [None] * 3
    for process in processes:
        process.workers.advice = lambda: "The same command goes on from step 20."
    end(processes[lost])
    others = [process for i, process in enumerate(processes) if i != lost]
    wait_for(lambda: all(process.ended for process in others))
    beginning = f"Worker {lost} of 3 ({addresses(processes)[lost]}) is lost: {why}"
    for process in others:
        (line,) = process.ended
        assert line.startswith(beginning)
        assert line.endswith(". The same command goes on from step 20.")


def test_one_that_leaves_says_why(cluster):
    processes = cluster(3)
    assert meet(processes) == [None] * 3
    with pytest.raises(UserError, match="mine"), processes[1].workers:
        raise UserError("The disk is full: mine.")
    others = [processes[0], processes[2]]
    wait_for(lambda: all(process.ended for process in others))
    for process in others:
        assert " has left: The disk is full: mine. Start all workers again." in process.ended[0]


@pytest.mark.parametrize("error", [None, Interrupted("at step 4")])
def test_those_that_leave_together_in_good_order_have_time_to(cluster, error):
    processes = cluster(2)
    assert meet(processes) == [None] * 2
    with contextlib.suppress(Interrupted), processes[1].workers:
        if error:
            raise error
    assert not threading.Event().wait(2 * QUICK.left)
    processes[0].workers.done()
    assert not threading.Event().wait(2 * QUICK.over)
    assert processes[0].ended == []


def contact_lost(processes, own):
    """The line to which an error comes that TensorFlow raises in one of the processes."""
    error = tf.errors.UnavailableError(None, None, "Graph\nCollective ops is aborted by: x\nmore")
    with pytest.raises(UserError) as caught, processes[own].workers:
        raise error
    assert processes[own].ended == [str(caught.value)]
    return str(caught.value)


@pytest.mark.parametrize("own", [0, 1])
def test_an_error_of_tensorflow_is_told_by_who_was_lost(cluster, own):
    processes = cluster(3)
    assert meet(processes) == [None] * 3
    sleep(processes[2])
    lines = at_once([lambda i=i: contact_lost(processes, i) for i in (0, 1)])
    assert "Worker 2 of 3" in lines[own] and "is lost: it has not answered for" in lines[own]


def test_an_error_of_tensorflow_without_a_loss_is_one_line_on_each(cluster):
    processes = cluster(2)
    assert meet(processes) == [None] * 2
    error = tf.errors.UnavailableError(None, None, "Graph\nCollective ops is aborted by: x\nmore")
    with pytest.raises(UserError) as caught, processes[0].workers:
        raise error
    said = "Collective ops is aborted by: x"
    assert str(caught.value) == f"TensorFlow failed, though all workers are there: {said}"
    wait_for(lambda: processes[1].ended)
    assert f" has left: {said}. Start all workers again." in processes[1].ended[0]


@pytest.mark.parametrize("lost", [False, True])
def test_a_checkpoint_that_cannot_be_written_is_told_by_who_was_lost_if_any(cluster, lost):
    processes = cluster(2)
    assert meet(processes) == [None] * 2
    if lost:
        die(processes[1])
    with pytest.raises(UserError) as caught, processes[0].workers:
        raise UserError("ckpt-4 cannot be written.") from tf.errors.UnknownError(None, None, "x")
    assert ("Worker 1 of 2" in str(caught.value)) is lost
    assert ("ckpt-4 cannot be written." in str(caught.value)) is not lost
