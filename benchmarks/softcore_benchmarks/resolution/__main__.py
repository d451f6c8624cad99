"""`python -m softcore_benchmarks.resolution`."""

import sys

from softcore_benchmarks.resolution.accuracy import main

if __name__ == "__main__":
    sys.exit(main())
