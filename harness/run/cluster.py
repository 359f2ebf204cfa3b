"""The machines of `--strategy=multi_worker`: what the environment variable TF_CONFIG says of them.

It is read before TensorFlow reads it, which takes some mistakes for another cluster, waits for ever
for others, and ends the process for the rest.
"""

import json
import re
import typing

from harness.errors import UserError

VARIABLE = "TF_CONFIG"
TYPES = ("chief", "worker")

_EXAMPLE = (
    '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
    " on the first of two"
)
_ADDRESS = re.compile(r"(\[[^\[\]\s]+\]|[^:\[\]\s/]+):(\d{1,5})")
_LONGEST = 300


class Task(typing.NamedTuple):
    """One process of a cluster."""

    type: str
    index: int
    address: str

    @property
    def name(self):
        return "the chief" if self.type == "chief" else f"worker {self.index}"

    @property
    def host(self):
        return self.address.rsplit(":", 1)[0].strip("[]")

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])


class Cluster(typing.NamedTuple):
    """The processes that train together, the one that writes first.

    Attributes:
        tasks: a list of `Task`.
        own: the position of this process among them.
    """

    tasks: list[Task]
    own: int

    def named(self, positions):
        """Names some of the tasks: "worker 2", "workers 1, 3", "the chief and worker 0"."""
        tasks = [self.tasks[i] for i in sorted(positions)]
        workers = [str(task.index) for task in tasks if task.type == "worker"]
        names = ["the chief"] if len(workers) < len(tasks) else []
        if workers:
            names.append(f"worker{'s' if len(workers) > 1 else ''} {', '.join(workers)}")
        return " and ".join(names)

    def which(self, position):
        """One of the tasks at the beginning of a sentence: "Worker 1 of 4"."""
        name = self.named([position])
        return f"{name[0].upper()}{name[1:]} of {len(self.tasks)}"

    def waiting(self, positions):
        """Who is waited for, a sentence."""
        where = ", ".join(self.tasks[i].address for i in sorted(positions))
        return f"Waiting for {self.named(positions)} of {len(self.tasks)} at {where}."

    def late(self, positions, seconds):
        """Who did not come in time, a rule and what was received."""
        where = ", ".join(self.tasks[i].address for i in sorted(positions))
        return (
            "All workers must start within --worker_timeout of each other. Received: nothing from "
            f"{self.named(positions)} of {len(self.tasks)} at {where} in {seconds:g} s; start all "
            "again, or fewer, by a TF_CONFIG that names those"
        )


def read_cluster(environment):
    """Reads TF_CONFIG.

    Args:
        environment: a dict, as `os.environ`.

    Raises:
        UserError: the variable is not there, or not what it must be.
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        received = f"no {VARIABLE}" if VARIABLE not in environment else f"{VARIABLE}={text!r}"
        raise UserError(
            f"--strategy=multi_worker needs the environment variable {VARIABLE}, as {_EXAMPLE}. "
            f"Received: {received}"
        )
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    try:
        return _cluster(text)
    except ValueError as error:
        raise UserError(f"{VARIABLE} {error}. Received: {VARIABLE}={shown}") from error


def _cluster(text):
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be JSON, as {_EXAMPLE} ({error})") from error
    jobs = said.get("cluster") if isinstance(said, dict) else None
    if not isinstance(jobs, dict) or not isinstance(said.get("task"), dict):
        raise ValueError(f"must have a `cluster` and a `task`, as {_EXAMPLE}")
    tasks = []
    for job in jobs:
        if job not in TYPES:
            raise ValueError(f"must have no tasks but of type worker, and one chief; not {job!r}")
    for job in TYPES:
        tasks += _tasks(job, jobs[job]) if job in jobs else []
    if len([task for task in tasks if task.type == "chief"]) > 1:
        raise ValueError("must have one chief at most")
    addresses = [task.address for task in tasks]
    for address in addresses:
        if addresses.count(address) > 1:
            raise ValueError(f"must give each task an address of its own; {address} is there twice")
    if not tasks:
        raise ValueError(f"must name the workers, as {_EXAMPLE}")
    return Cluster(tasks, _own(said["task"], tasks))


def _tasks(job, addresses):
    if not isinstance(addresses, list) or not addresses:
        raise ValueError(f"must have a list of one HOST:PORT or more as `cluster`: `{job}`")
    for address in addresses:
        found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if not found or not 0 < int(found[2]) < 2**16:
            raise ValueError(
                f"must give addresses as HOST:PORT, with a port from 1 to 65535; not {address!r}"
            )
    return [Task(job, index, address) for index, address in enumerate(addresses)]


def _own(task, tasks):
    kind, index = task.get("type"), task.get("index")
    if kind not in TYPES:
        raise ValueError(f"must have worker or chief as `task`: `type`; not {kind!r}")
    if isinstance(index, str) and index.isascii() and index.isdecimal():  # as of a template
        index = int(index)
    if type(index) is not int:
        raise ValueError(f"must have a number from 0 as `task`: `index`; not {index!r}")
    for position, each in enumerate(tasks):
        if (each.type, each.index) == (kind, index):
            return position
    there = sum(each.type == kind for each in tasks)
    raise ValueError(
        f"must have a task that is in the cluster; of {kind} there are {there}, and "
        f"`index` {index} is not among them"
    )
