"""One file for each section of a report."""
