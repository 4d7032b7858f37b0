"""Files of pictures as pixels of one form: each is decoded in a process that may die of it, and told of."""
