"""What the clients of other model servers send and expect; the networks of predict/ answer it."""
