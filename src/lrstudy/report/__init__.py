"""Read a study from the tracking server and report it: figures, tables, page and summary.

`find_runs` and `load_runs` read runs, `image_losses` their losses per image, and `grouping` makes groups of comparable
ones. A `comparison` ranks the cells of a group; its `answer_state` decides whether there is a recommendation, `answer`
words it, with the `next_step` if there is none, and `warnings` and `data_warnings` name doubts. `group_report` joins
them, `tables` and `figures` show them, and `page`, `summary` and `write` make the files.
"""

from lrstudy.compat import matplotlib_warnings  # noqa: F401 - before matplotlib
