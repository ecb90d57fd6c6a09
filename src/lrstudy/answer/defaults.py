"""The defaults of an answer: the difference that does not matter, and the confidence."""

# As a share of the loss.
DELTA = 0.05
CONFIDENCE = 0.95
# The simulated distributions have a few thousand draws, which cannot show more.
MAX_CONFIDENCE = 0.99
