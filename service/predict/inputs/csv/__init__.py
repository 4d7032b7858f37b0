"""Rows of CSV, RFC 4180: of tables by the names of their columns, and of pictures a number for each pixel."""
