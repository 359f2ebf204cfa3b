"""Tells where processes that train together were not started alike."""

import json

from harness.errors import UserError
from harness.run.messages import shown

_MOST = 6


def check_alike(cluster, facts):
    """Raises `UserError`, the same on each process, where they differ.

    Args:
        cluster: the `Cluster`.
        facts: of each process, in the cluster's order, a dict of what JSON has, by name.
    """
    names = dict.fromkeys(name for each in facts for name in each)
    differences = []
    for name in names:
        values = {}
        for position, each in enumerate(facts):
            said = _text(each[name]) if name in each else "not there"
            values.setdefault(said, []).append(position)
        if len(values) > 1:
            said = [f"{value} on {cluster.named(who)}" for value, who in values.items()]
            differences.append(f"{shown(name)}: {', '.join(said)}")
    if differences:
        more = f"; and {len(differences) - _MOST} more" if len(differences) > _MOST else ""
        raise UserError(
            "All workers must have the same flags, data and versions. Received: "
            f"{'; '.join(differences[:_MOST])}{more}"
        )


def _text(value):
    return shown(value if isinstance(value, str) else json.dumps(value))
