"""What passes between the processes of a cluster: each is connected with the chief.

The connections are made at the chief's address in TF_CONFIG before TensorFlow listens there, and
stay when it does: no other port is needed.
"""

import contextlib
import os
import selectors
import socket
import threading
import time

from harness.errors import UserError
from harness.run.links import Link, listen
from harness.run.messages import is_known, shown

CHIEF = 0
# Connections at once of those that have not said who they are.
_STRANGERS = 64


class Post:
    """The connections of one process of a cluster, and the thread that listens to them.

    Args:
        cluster: the `Cluster`.
        patience: the `Patience`.
        heed: `f(position, message)`, called in the thread with what came from another process.
        lose: `f(position, why)`, called in the thread where the connection to one has ended.
        fail: `f(line)`, called in the thread where no one can go on.
        tick: function without arguments, called in the thread several times a second.

    Attributes:
        changed: a condition, held while any of the functions is called, and told afterwards.
    """

    def __init__(self, cluster, patience, heed, lose, fail, tick):
        self._cluster, self._patience = cluster, patience
        self._heed, self._lose, self._fail, self._tick = heed, lose, fail, tick
        self.changed = threading.Condition()
        self._selector = selectors.DefaultSelector()
        self._listener = None
        self._links = {}  # by position
        self._strangers = []  # those that have not said who they are
        self._closed = False

    def open(self):
        """Listens, as the chief, and sees that the own port is free; raises `UserError`."""
        task = self._cluster.tasks[self._cluster.own]
        try:
            self._listener = listen(task.port)
        except OSError as error:
            raise UserError(
                f"The port of {task.name} in TF_CONFIG must be free on its machine, which this is "
                f"({os.strerror(error.errno)}). Received: {task.address}"
            ) from error
        if self._cluster.own == CHIEF and len(self._cluster.tasks) > 1:
            self._selector.register(self._listener, selectors.EVENT_READ)
        else:
            self._hush()

    def connect(self):
        """Greets the chief; returns why that failed, None if not; raises `UserError` if refused."""
        task = self._cluster.tasks[CHIEF]
        try:
            connection = socket.create_connection((task.host, task.port), self._patience.silence)
        except OSError as error:
            return error.strerror or str(error)
        link = Link(connection, CHIEF)
        # Where nobody listens, a connection to a port of the same machine may get that very port.
        if connection.getsockname() != connection.getpeername():
            link.send(hello=self._cluster.own, tasks=self._cluster.tasks)
            answer = link.receive()
            if not all(is_known(message, len(self._cluster.tasks)) for message in answer or ()):
                answer = None
            if answer and "refused" in answer[0]:
                link.close()
                raise UserError(shown(answer[0]["refused"]))
            if answer and "welcome" in answer[0]:
                self._links[CHIEF] = link
                self._selector.register(link, selectors.EVENT_READ)
                with self.changed:
                    for message in answer[1:]:
                        self._heed(CHIEF, message)
                return None
        link.close()
        return "nobody of this run answers"

    def start(self):
        """Starts the thread."""
        threading.Thread(target=self._serve, daemon=True).start()

    def present(self):
        """The positions of the processes that are connected with this one."""
        return set(self._links)

    def silent(self, seconds):
        """Those of which nothing was heard for so long: a dict of seconds by position."""
        now = time.monotonic()
        ages = {position: now - link.heard for position, link in self._links.items()}
        return {position: age for position, age in ages.items() if age > seconds}

    def send(self, **message):
        """Sends a message to all that this process is connected with."""
        for link in list(self._links.values()):
            link.send(**message)

    def close(self):
        """Ends the connections; what was sent arrives nevertheless."""
        self._closed = True
        self._hush()
        for link in self._links.values():
            link.close()

    def _hush(self):
        """Leaves the port to TensorFlow."""
        if self._listener is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _serve(self):
        beat = 0.0
        while not self._closed:
            ready = self._selector.select(self._patience.look)
            with self.changed:
                for key, _ in ready if not self._closed else ():
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, Link):
                        self._read(key.fileobj)
                self._drop_silent_strangers()
                if time.monotonic() > beat and not self._closed:
                    beat = time.monotonic() + self._patience.beat
                    self.send(beat=True)
                self._tick()
                self.changed.notify_all()

    def _accept(self):
        with contextlib.suppress(OSError):
            link = Link(self._listener.accept()[0])
            if len(self._strangers) < _STRANGERS:
                self._selector.register(link, selectors.EVENT_READ)
                self._strangers.append(link)
            else:
                link.close()

    def _drop_silent_strangers(self):
        for link in list(self._strangers):
            if time.monotonic() - link.made > self._patience.silence:
                self._drop(link, "it has not said who it is")

    def _read(self, link):
        messages, why = link.receive(), "its process has ended"
        for message in messages or ():
            if link.position is None:
                taken = self._greet(link, message)
            else:
                taken = is_known(message, len(self._cluster.tasks))
                if taken:
                    self._heed(link.position, message)
            if not taken:
                messages, why = None, "it has sent what no worker sends"
                break
        if messages is None:
            self._drop(link, why)

    def _drop(self, link, why):
        self._selector.unregister(link)
        link.close()
        if link in self._strangers:
            self._strangers.remove(link)
        if self._links.get(link.position) is link:
            del self._links[link.position]
            self._lose(link.position, why)

    def _greet(self, link, message):
        """Takes one in that says who it is; returns whether it was."""
        position, there = message.get("hello"), message.get("tasks")
        here = [list(task) for task in self._cluster.tasks]
        if type(position) is not int or not isinstance(there, list):
            return False
        if there != here:
            text = (
                "TF_CONFIG must have the same cluster on all workers. Received: "
                f"{_addresses(here)} on {self._cluster.named([CHIEF])}, {_addresses(there)} on "
                "another"
            )
            link.send(refused=text)
            self._fail(text)
        elif position in self._links:
            name = self._cluster.named([position])
            link.send(
                refused="TF_CONFIG must have another `task`: `index` on each worker. Received: "
                f"that of {name} on a second one"
            )
        elif position in range(1, len(here)):
            link.position = position
            self._strangers.remove(link)
            self._links[position] = link
            link.send(welcome=True)
            if len(self._links) == len(here) - 1:
                self._hush()
            return True
        return False


def _addresses(tasks):
    return shown(", ".join(str(task[-1]) for task in tasks if isinstance(task, list) and task))
