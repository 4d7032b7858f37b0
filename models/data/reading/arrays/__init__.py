"""Arrays as people keep them, NPY, NPZ, IDX and svmlight: which of them is what, and the examples that they make."""
