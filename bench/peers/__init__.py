"""One small file for each server that bench/predict.py compares with; it runs in an environment of that server's own.

`network` gives each of them the same network, as Tenfold's API reads it, so that nothing but the servers differs.
"""
