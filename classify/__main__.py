"""Lists the programs: `python -m classify`."""

import classify
from harness import listing

if __name__ == "__main__":
    listing.main(classify)
