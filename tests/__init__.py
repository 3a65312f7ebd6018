"""Tests, with one thread in each library.

Two worker processes keep two processors busy, and threads that wait for one another without rest take most of the time
of a busy machine. This module runs first, before NumPy is loaded.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_name, "1")
