"""Matrix products: who computes them on which processor."""
