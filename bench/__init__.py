"""Measurements that print claims: each file is one, and says in its first lines what it claims."""

import os

# A shell may force OpenBLAS to an older kernel, or to blocks for another cache: what is compared here runs as it would
# by itself. Only here is it in time, before anything loads numpy.
# A bench that forces AVX2 upon everybody says so by the same variable of MKL.
if "MKL_ENABLE_INSTRUCTIONS" not in os.environ:
    for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(_name, None)
