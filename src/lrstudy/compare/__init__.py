"""The command `compare`: the answer of a table of trainings, whatever trained them.

It needs numpy, scipy and pydantic only.
"""
