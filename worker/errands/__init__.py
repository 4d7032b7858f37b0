"""What a worker does in between and must not wait for training: one file for each task."""
