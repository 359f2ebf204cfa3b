"""Says what there is to import and to run: `python -m tfnorm`."""

import tfnorm
from tfnorm.benchmark import __main__ as benchmark

if __name__ == "__main__":
    print((tfnorm.__doc__ or "").strip())
    summary, *_ = (benchmark.__doc__ or "").partition(":")
    print(f"\n  python -m tfnorm.benchmark  {summary}.")
