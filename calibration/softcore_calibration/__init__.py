"""SoftCore calibration: the decision threshold of a bundle."""

from __future__ import annotations

import os

# At its import scikit-learn's joblib tries a semaphore, and warns where /dev/shm can't be written to.
os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")
