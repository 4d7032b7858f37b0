"""A new network and its model's champion on the same examples, of which neither has learned; and what follows."""
