"""Whose job is taken next: accounts share the processes by weight, and each has its jobs in an order of its own."""
