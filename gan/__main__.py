"""Lists the programs: `python -m gan`."""

import gan
from harness import listing

if __name__ == "__main__":
    listing.main(gan)
