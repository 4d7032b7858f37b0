"""What is kept of an evaluation after each epoch: bounded in its bytes, for plots and for whoever looks."""
