"""Read a study from the tracking server and report it: figures, tables, page and summary."""
