"""Figures of one training: `figures` draws, `network_figures` reads the network, `png` makes files."""
