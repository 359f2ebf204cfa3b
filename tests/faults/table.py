"""What came of faults, as a Markdown table."""

import collections
import sys


class Tally:
    """Counts by fault, a tuple of words.

    Attributes:
        lost: pairs of a fault and what was lost.
    """

    def __init__(self):
        self._survived = collections.Counter()
        self.lost = []

    def survive(self, fault, said=""):
        """Counts a fault after which nothing was lost; `said`: how it ended, if not as usual."""
        self._survived[*fault, said] += 1
        print(*fault, said or "survived", file=sys.stderr, flush=True)

    def lose(self, fault, what):
        """Counts a fault after which something was lost."""
        self.lost.append((fault, what))
        print(*fault, "LOST:", what, file=sys.stderr, flush=True)

    @property
    def tried(self):
        """Faults in all."""
        return self._survived.total() + len(self.lost)

    def print(self, columns):
        """Prints a row a kind of fault, whose words are under `columns`."""
        heads = [*columns, "tried", "survived", "lost"]
        print(f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", sep="\n")
        lost = collections.Counter(fault for fault, _ in self.lost)
        survived = collections.defaultdict(collections.Counter)
        for (*fault, said), count in self._survived.items():
            survived[tuple(fault)][said] += count
        for fault in sorted({*survived, *lost}):
            counts = survived[fault]
            kinds = [f"{count} {said}" for said, count in sorted(counts.items()) if said]
            text = f"{counts.total()}" + (f" ({', '.join(kinds)})" if kinds else "")
            row = [*fault, counts.total() + lost[fault], text, lost[fault] or "nothing"]
            print(f"| {' | '.join(map(str, row))} |")
