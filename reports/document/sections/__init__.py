"""One file for each section of the report: a function from its data to blocks."""
