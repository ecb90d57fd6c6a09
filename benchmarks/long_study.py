"""Measure the time per trial of a long study: `python benchmarks/long_study.py [--trials 20,500]`.

The study is a search with a random sampler and trainings of one epoch, so that nearly all of the time is its own. The
time per trial must not grow: it is printed for the whole study, and for its second half against its first.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

SEARCH = Path(__file__).parents[1] / "src" / "search.py"
SETTINGS = ("--optimizer", "sgd", "--sampler", "random", "--epochs", "1", "--hidden", "8")


def main() -> None:
    """Run a study of each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="20,500", help="lengths of studies")
    for trials in map(int, parser.parse_args().trials.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
            command = [sys.executable, str(SEARCH), *SETTINGS, "--trials", str(trials)]
            began = time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
            seconds = time.perf_counter() - began
            with closing(sqlite3.connect(Path(folder, "mlflow.db"))) as database:
                query = """
                    select end_time from runs join tags on tags.run_uuid = runs.run_uuid
                    where tags.key = 'lrstudy.kind' and tags.value = 'train' order by end_time
                """
                ends = [end / 1000 for (end,) in database.execute(query)]
        half = len(ends) // 2
        first, second = ((ends[b] - ends[a]) / (b - a) * 1000 for a, b in ((0, half), (half, len(ends) - 1)))
        print(
            f"{trials} trials: {seconds:.1f} s, {seconds / trials * 1000:.0f} ms per trial with the start; "
            f"{first:.0f} ms per trial in the first half, {second:.0f} ms in the second ({second / first:.2f} times)"
        )


if __name__ == "__main__":
    main()
