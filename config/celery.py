"""What `celery -A config worker` and `beat` load: worker processes compute with one thread each.

The limits are read when the libraries load, so they are set before anything else is imported. More processes, not more
threads: two processes of two threads on two cores are ten times slower. No worker's parent uses Polars or scikit-learn.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")

from config.broker import app  # noqa: E402  after the limits

__all__ = ["app"]
