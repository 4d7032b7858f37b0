"""One run of jobs, from the claim to the last epoch."""
