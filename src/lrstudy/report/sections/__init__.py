"""The sections of the page, in their order: a row per section; a section's module draws its figures and tables."""

from __future__ import annotations

from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.sections import (
    causes,
    curves,
    evidence,
    heat_map,
    kinds,
    learned,
    numbers,
    provenance,
    shapes,
    sweep,
)
from lrstudy.report.sections.section import Section

# Before all groups.
OPENING_SECTIONS: tuple[Section[Report], ...] = (Section("Network shapes", shapes.opening_blocks, shapes.draw_gaps),)
# Beside the answer.
LEADING_SECTIONS: tuple[Section[GroupReport], ...] = (Section("Kinds of loss curve", kinds.blocks, kinds.draw),)
GROUP_SECTIONS: tuple[Section[GroupReport], ...] = (
    Section("Evidence", evidence.blocks),
    Section("Heat map", heat_map.blocks, heat_map.draw, wide=False),
    Section("Learning-rate sweep", sweep.blocks, sweep.draw, wide=False),
    Section("Why the others lose", causes.blocks, causes.draw, wide=False),
    Section("Loss curves", curves.blocks, curves.draw),
    Section("Layers", learned.layer_blocks),
    Section("Misclassified images", learned.mistake_blocks),
    Section("Tables", numbers.blocks),
)
REPORT_SECTIONS: tuple[Section[Report], ...] = (
    Section("Network shapes in detail", shapes.blocks, shapes.draw),
    Section("Not included", provenance.left_out),
    Section("Provenance", provenance.blocks),
)
