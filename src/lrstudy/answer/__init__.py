"""The answer of a study in words: the same in the terminal, in the report, and on the tracking server.

`state` is whether there is a recommendation, and `advice` the first change to make where there is none. `defaults` are
the difference that does not matter, and the confidence. `lrstudy.statistics` computes the answer.
"""
