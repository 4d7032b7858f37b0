"""What a network takes in, of what a body holds: by the schema of the data it learned from."""
