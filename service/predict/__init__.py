"""From the body of a prediction to its answer, and the networks that give it."""
