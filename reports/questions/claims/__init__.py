"""Published claims as data, each judged from the results at hand."""
