/* What a step does beside its matrix products, each in one pass over memory.

   Plain C that compilers turn into vector instructions. Nothing is contracted or reordered (-ffp-contract=off, no
   -ffast-math): all processors give the same bits, with narrow and with wide vectors. Numbers are float, lengths count
   numbers. */

#include "elementwise.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Which text this was compiled from: functions of another may take other arguments, or give other bits. */
uint64_t tenfold_source(void)
{
    return TENFOLD_SOURCE;
}

/* Rows lie anywhere: the processor does not guess the next ones. */
static inline void fetch_ahead(const uint8_t *x, const int64_t *places, size_t row, size_t b, size_t d)
{
    if (row + 4 >= b)
        return;
    const uint8_t *next = x + (size_t)places[row + 4] * d;
    for (size_t i = 0; i < d; i += 64)
        __builtin_prefetch(next + i);
}

void tenfold_adam(float *restrict w, const float *restrict g, float *restrict m, float *restrict v, size_t n,
                  const adam *by)
{
    const float step = by->step, scale = by->scale, beta1 = by->beta1, beta2 = by->beta2, epsilon = by->epsilon,
                decay = by->decay, kept = by->kept;
    for (size_t i = 0; i < n; i++) {
        float slope = g[i] + decay * w[i];
        float first = m[i] + (1 - beta1) * (slope - m[i]);
        float second = beta2 * v[i] + (1 - beta2) * slope * slope;
        m[i] = first;
        v[i] = second;
        w[i] = kept * w[i] - step * first / (sqrtf(second) * scale + epsilon);
    }
}

/* y[B][O] += bias[O], for k networks. */
void tenfold_add_bias(float *y, const float *bias, size_t k, size_t y_stride, size_t bias_stride, size_t b, size_t o)
{
    for (size_t network = 0; network < k; network++) {
        const float *restrict its_bias = bias + network * bias_stride;
        for (size_t row = 0; row < b; row++) {
            float *restrict its_y = y + network * y_stride + row * o;
            for (size_t i = 0; i < o; i++)
                its_y[i] += its_bias[i];
        }
    }
}

/* y[O][B] += bias[O], for k networks. */
void tenfold_add_bias_by_row(float *y, const float *bias, size_t k, size_t y_stride, size_t bias_stride, size_t b,
                             size_t o)
{
    for (size_t network = 0; network < k; network++)
        for (size_t row = 0; row < o; row++) {
            float *restrict its_y = y + network * y_stride + row * b;
            float its_bias = bias[network * bias_stride + row];
            for (size_t i = 0; i < b; i++)
                its_y[i] += its_bias;
        }
}

/* y = max(y, 0) of n numbers for k networks; what is no number stays none. */
void tenfold_relu(float *y, size_t k, size_t stride, size_t n)
{
    for (size_t network = 0; network < k; network++) {
        float *restrict its = y + network * stride;
        for (size_t i = 0; i < n; i++)
            its[i] = its[i] < 0 ? 0.0f : its[i];
    }
}

/* dy = 0 where y is 0, of n numbers for k networks. */
void tenfold_relu_backward(float *dy, const float *y, size_t k, size_t stride, size_t n)
{
    for (size_t network = 0; network < k; network++) {
        float *restrict its_dy = dy + network * stride;
        const float *restrict its_y = y + network * stride;
        for (size_t i = 0; i < n; i++)
            its_dy[i] = its_y[i] <= 0 ? 0.0f : its_dy[i];
    }
}

/* e to the power of x <= 0, to two units in the last place: x = n ln 2 + r, and a polynomial of r. The constants are
   those of Cephes, https://www.netlib.org/cephes/. What is no number stays none. */
static inline float exponential(float x)
{
    float bounded = x < -87.0f ? -87.0f : x;
    float n = bounded * 1.44269504088896341f;
    n = (n + 12582912.0f) - 12582912.0f; /* to the nearest whole number */
    float r = bounded - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x == x ? p * power : x;
}

/* Cross-entropy of b examples: z[C][B] logits, t[C][B] targets as they are given to it, dz[C][B] the gradient of z.
   `scratch` has room for 3 b numbers. Gives the loss. */
float tenfold_cross_entropy(const float *restrict z, const float *restrict t, float *restrict dz, float *restrict scratch,
                            size_t c, size_t b)
{
    float *restrict most = scratch, *restrict sum = scratch + b, *restrict weight = scratch + 2 * b;
    for (size_t i = 0; i < b; i++) {
        most[i] = z[i];
        sum[i] = 0;
        weight[i] = 0;
    }
    for (size_t row = 1; row < c; row++)
        for (size_t i = 0; i < b; i++)
            most[i] = z[row * b + i] > most[i] ? z[row * b + i] : most[i];
    for (size_t row = 0; row < c; row++)
        for (size_t i = 0; i < b; i++) {
            float power = exponential(z[row * b + i] - most[i]);
            dz[row * b + i] = power;
            sum[i] += power;
            weight[i] += t[row * b + i];
        }
    double loss = 0;
    for (size_t row = 0; row < c; row++)
        for (size_t i = 0; i < b; i++)
            if (t[row * b + i] != 0)
                loss += (z[row * b + i] - most[i] - log(sum[i])) * t[row * b + i];
    for (size_t i = 0; i < b; i++)
        sum[i] = weight[i] / sum[i];
    for (size_t row = 0; row < c; row++)
        for (size_t i = 0; i < b; i++)
            dz[row * b + i] = t[row * b + i] - dz[row * b + i] * sum[i];
    return (float)loss;
}

/* Rows of bytes x[N][D], normalised: out[B][D]. */
void tenfold_gather(const uint8_t *restrict x, const int64_t *restrict places, float *restrict out, size_t b, size_t d,
                    float mean, float deviation)
{
    for (size_t row = 0; row < b; row++) {
        const uint8_t *restrict its = x + (size_t)places[row] * d;
        fetch_ahead(x, places, row, b, d);
        for (size_t i = 0; i < d; i++)
            out[row * d + i] = ((float)its[i] - mean) / deviation;
    }
}

/* The same, rounded to bfloat16: to the nearest, of two to the even one. */
void tenfold_gather_bfloat16(const uint8_t *restrict x, const int64_t *restrict places, uint16_t *restrict out, size_t b,
                             size_t d, float mean, float deviation)
{
    for (size_t row = 0; row < b; row++) {
        const uint8_t *restrict its = x + (size_t)places[row] * d;
        fetch_ahead(x, places, row, b, d);
        for (size_t i = 0; i < d; i++) {
            float number = ((float)its[i] - mean) / deviation;
            uint32_t bits;
            memcpy(&bits, &number, sizeof bits);
            out[row * d + i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        }
    }
}

/* Joins the three digits of products in whole numbers, digits[B][3][O], the highest first, each 256 times the next:
   y[B][O] = number * scale[O] + shift[O], rounded once. */
void tenfold_join_digits(const int32_t *restrict digits, const double *restrict scale, const double *restrict shift,
                         float *restrict y, size_t b, size_t o)
{
    for (size_t row = 0; row < b; row++) {
        const int32_t *restrict its = digits + row * 3 * o;
        for (size_t i = 0; i < o; i++) {
            double number = ((double)its[i] * 256.0 + its[o + i]) * 256.0 + its[2 * o + i];
            y[row * o + i] = (float)(number * scale[i] + shift[i]);
        }
    }
}
