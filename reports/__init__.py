"""What judges: reads finished results only, and never trains."""
