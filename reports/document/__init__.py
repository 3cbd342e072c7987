"""What a report says: numbers, text and sections, without a format."""
