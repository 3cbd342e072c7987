"""One renderer for each format: HTML, Markdown, LaTeX, terminal, flat files."""
