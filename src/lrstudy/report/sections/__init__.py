"""The sections of the page, in their order: a row per section; a section's module draws its figures and tables."""

from __future__ import annotations

from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.sections import curves, evidence, heat_map, numbers, provenance, shapes, sweep
from lrstudy.report.sections.section import Section

GROUP_SECTIONS: tuple[Section[GroupReport], ...] = (
    Section("Evidence", evidence.blocks),
    Section("Heat map", heat_map.blocks, heat_map.draw),
    Section("Loss curves", curves.blocks, curves.draw),
    Section("Learning-rate sweep", sweep.blocks, sweep.draw),
    Section("Tables", numbers.blocks),
)
REPORT_SECTIONS: tuple[Section[Report], ...] = (
    Section("Network shapes", shapes.blocks, shapes.draw),
    Section("Not included", provenance.left_out),
    Section("Provenance", provenance.blocks),
)
