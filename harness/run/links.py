"""A connection between two processes: a JSON object a line, both ways."""

import contextlib
import json
import socket
import threading
import time

# Bytes of a message, and of one of who has not said who it is: no more is kept of what comes.
_LONGEST, _LONGEST_OF_STRANGERS = 2**22, 2**18
# Seconds after which one who does not take what is sent to him is given up.
_PATIENCE = 5.0


class Link:
    """A connection to another process.

    Args:
        connection: a socket.
        position: of the other process in the cluster, None as long as it is not known.

    Attributes:
        position: as given.
        made, heard: when it was made, and when something came last, as `time.monotonic`.
    """

    def __init__(self, connection, position=None):
        connection.settimeout(_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.position = position
        self.made = self.heard = time.monotonic()
        self._connection = connection
        self._rest = b""
        self._lock = threading.Lock()

    def fileno(self):
        """What `selectors` asks for."""
        return self._connection.fileno()

    def send(self, **message):
        """Sends a message; where the other end does not take it, that shows where it is read."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self):
        """The messages that came, a list of dicts, once something has; None: no more will come."""
        try:
            data = self._connection.recv(2**16)
            *lines, self._rest = (self._rest + data).split(b"\n")
            messages = [json.loads(line) for line in lines]
        except (OSError, ValueError, RecursionError):
            return None
        self.heard = time.monotonic()
        known = all(isinstance(message, dict) for message in messages)
        longest = _LONGEST_OF_STRANGERS if self.position is None else _LONGEST
        return messages if data and known and len(self._rest) <= longest else None

    def close(self):
        """Ends the connection; what was sent arrives nevertheless."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def listen(port):
    """A socket that takes connections at a port of this machine; raises `OSError`."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
