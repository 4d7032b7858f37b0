"""Shapes on the wire: one file for each resource."""
