"""The report's figures, one per module: data frames of `tables` in, figures out; nothing is read or saved."""
