"""From a matrix file to arms, tasks and a forecast."""
