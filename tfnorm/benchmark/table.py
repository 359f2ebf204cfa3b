"""The benchmark's table as text."""

import typing
from collections.abc import Iterable

from tfnorm.benchmark.candidates import UNIT
from tfnorm.benchmark.kinds import KINDS


def head(kinds: Iterable[str]) -> str:
    """The line of the columns' names."""
    return f"  {'':<24}{''.join(f'{KINDS[kind].title:>21}' for kind in kinds)}{'kept':>7}"


def line(row: dict[str, typing.Any], kinds: Iterable[str]) -> str:
    """The line of a row of `measuring.benchmark`."""
    title = f"{row['layer']} {row['group_size'] or ''}".strip()
    return f"  {title:<24}{''.join(f'{_cell(row, kind):>21}' for kind in kinds)}{row['kept']:7.2f}"


PAIRS_HEAD = f"  {'':<21}{'over':<24}{'shape':<15}{'call':<18}{'ratio':>19}{'ms':>9}{'over ms':>9}"


def pair_line(row: dict[str, typing.Any]) -> str:
    """The line of a row of `pairs.benchmark_pairs`."""
    shape = "x".join(map(str, row["shape"]))
    median, low, high = map(_number, (row["ratio"], *row["range"]))
    return (
        f"  {row['pair']:<21}{row['counterpart']:<24}{shape:<15}{row['kind']:<18}"
        f"{f'{median} ({low}-{high})':>19}{row['ms']:9.2f}{row['counterpart_ms']:9.2f}"
    )


def _cell(row: dict[str, typing.Any], kind: str) -> str:
    """Median and range of a ratio; of the unit, which is 1, its time."""
    if row[kind] is None:
        return ""
    if row["layer"] == UNIT and not KINDS[kind].of_itself:
        return f"{row[f'{kind}_ms']:.2f} ms"
    median, low, high = map(_number, (row[kind], *row[f"{kind}_range"]))
    return f"{median} ({low}-{high})"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10.0 else f"{value:.1f}"
