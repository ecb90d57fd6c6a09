"""Statistics of studies: pure functions of a table of trainings, usable without the rest of the project.

The table has a row per training, with its optimizer, learning rate, seed and lowest validation loss:

>>> from lrstudy.statistics import find_answer, from_columns, headline
>>> outcomes = from_columns(
...     {
...         "optimizer": ["sgd", "sgd", "sgd", "adam", "adam", "adam"],
...         "lr": [0.1, 0.1, 0.1, 0.001, 0.001, 0.001],
...         "seed": [0, 1, 2, 0, 1, 2],
...         "val_loss": [0.31, 0.33, 0.32, 0.21, 0.22, 0.215],
...     }
... )
>>> answer = find_answer(outcomes, delta=0.05, confidence=0.95)
>>> headline(answer)
'Use adam with a learning rate of 0.001'
>>> [comparison.cell.name for comparison in answer.worse]
['sgd 0.1']

A pandas DataFrame with these columns will do as well, and so will `mlflow.search_runs()`. It needs numpy and scipy.
"""

from lrstudy.statistics.answer import Answer, Certainty, find_answer
from lrstudy.statistics.answer_data import answer_data
from lrstudy.statistics.cell_summary import CellSummary, Status, summarize_cells
from lrstudy.statistics.columns import from_columns
from lrstudy.statistics.comparisons import CellComparison
from lrstudy.statistics.outcomes import Cell, Outcome, Outcomes
from lrstudy.statistics.sentences import evidence, headline, share

__all__ = [
    "Answer",
    "Cell",
    "CellComparison",
    "CellSummary",
    "Certainty",
    "Outcome",
    "Outcomes",
    "Status",
    "answer_data",
    "evidence",
    "find_answer",
    "from_columns",
    "headline",
    "share",
    "summarize_cells",
]
