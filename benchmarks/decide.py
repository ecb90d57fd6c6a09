"""Measure how often decisions are wrong, and their costs: `python benchmarks/decide.py`.

Without arguments, decisions are replayed on the pools of trainings in `benchmarks/pools`. A random half of a pool's
seeds gives the trainings, drawn with replacement and the same for all cells; the mean log losses of the other half are
the truth. A training that failed counts there as twice the loss of guessing. `--equal` replays decisions on made
tables instead, and `make NAME SETTING=VALUE …` trains a new pool, with settings such as `data=FOLDER epochs=10
batch_size=32`.
"""

import os
import sys
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is imported: all cores have replays
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from decide_benchmark import main

if __name__ == "__main__":
    main(__doc__)
