"""Data sets: what they are, where they are found, and how they are divided."""
