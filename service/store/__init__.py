"""The record: the only SQL, one file for each resource."""
