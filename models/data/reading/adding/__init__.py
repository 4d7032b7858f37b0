"""Examples that are appended to a version of a data set: read as that was, checked against it, and joined to it."""
