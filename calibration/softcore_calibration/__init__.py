"""SoftCore calibration: the decision threshold of a bundle."""

from __future__ import annotations

import os

# At its import joblib (of scikit-learn) tries a semaphore, and warns where /dev/shm can't be written to. It isn't used.
os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")
