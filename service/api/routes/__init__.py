"""One file for each first word of a URL."""
