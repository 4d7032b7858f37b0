"""The HTTP face: routes, shapes on the wire, errors, and the documentation of all three."""
