"""The pictures of one training: what to draw is taken from the network by `layers`, drawn by `figures`, kept as PNG."""
