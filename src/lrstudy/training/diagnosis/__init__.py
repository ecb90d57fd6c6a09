"""Measure why a learning rate succeeds or fails, beside a training and without any effect on it.

`step_search` finds, along an optimizer's step, the length at which the loss rises again; `network_copy` evaluates the
loss there on a copy of the network, in the state in which the step found it; `movement` and `activations` measure
layers; `measured_steps` chooses the steps, and `diagnosis` puts all that together for the training loop.
"""
