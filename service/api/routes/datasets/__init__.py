"""/datasets: what there is to train on, in versions."""
