"""What one task does: a cell, a tuning run or an artefact, with resume and stop signals."""
