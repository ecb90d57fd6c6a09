"""Predict the classes of photographs with a trained network, which is rebuilt from its run.

Nothing that a server holds is executed: the network's code is this project's or the user's own, and of the server's
files only tensors and JSON are read.
"""
