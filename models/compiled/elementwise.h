/* Functions of elementwise.c that others call. */

#ifndef TENFOLD_ELEMENTWISE_H
#define TENFOLD_ELEMENTWISE_H

#include <stddef.h>

/* Adam; with decoupled decay AdamW. `step` is the learning rate divided by the first moment's bias, `scale` one divided
   by the root of the second moment's. */
typedef struct {
    float step, scale, beta1, beta2, epsilon, decay, kept;
} adam;

/* One step on n weights w by their gradients g, with the moments m and v. */
void tenfold_adam(float *w, const float *g, float *m, float *v, size_t n, const adam *by);

#endif
