/* One step of Adam with torch.optim.Adam's defaults, on n numbers in one pass: what bench/floor.py holds to be the least. */
#include <math.h>

void adam(long n, float *restrict w, const float *restrict g, float *restrict m, float *restrict v, float size, float root) {
    for (long i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + 0.1f * g[i];
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        w[i] -= size * m[i] / (sqrtf(v[i]) * root + 1e-8f);
    }
}
