"""Statistics of studies: pure functions of a table of trainings, usable without the rest of the project."""
