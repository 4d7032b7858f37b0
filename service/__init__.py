"""The record and its HTTP face: what is asked for, what became of it, and predictions."""
