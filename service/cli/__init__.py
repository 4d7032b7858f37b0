"""The command line: one file for each command that takes more than a few lines."""
