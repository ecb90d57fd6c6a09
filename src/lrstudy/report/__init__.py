"""Read a study from the tracking server and report it: figures, tables, page and summary.

`find_runs` and `load_runs` read runs, `image_losses` their losses per image, and `grouping` makes groups of comparable
ones. A `comparison` ranks the cells of a group by the statistics of its `outcomes`, `answer` words the result, with the
`next_step` if there is no recommendation, and `warnings` and `data_warnings` name doubts. `group_report` joins them,
`tables`, the `heat_map_table` and `figures` show them, and `page`, `summary` and `write` make the files.
"""

from lrstudy.compat import matplotlib_warnings  # noqa: F401 - before matplotlib
