/* Matrix products of networks that are too small for what libraries prepare for each. */

#include "tiles.h"

#define NARROW_ROWS 64
#define PACKED_ROWS 128

/* out[M][N] = a[M][I] b[I][N] for k networks, whose matrices lie `next` numbers after each other; M, I and N are rows,
   terms and columns. The columns of out lie side by side. */
typedef struct {
    size_t networks, rows, terms, columns;
    matrix a, b;
    float *out;
    size_t out_row, a_next, b_next, out_next;
} product;

/* Columns fewer than a vector: sums are made beside out, where there is room for the whole vector. */
static void narrow(matrix a, const float *panel, float *out, size_t out_row, size_t m, size_t terms, int more, size_t n)
{
    float sums[NARROW_ROWS * WIDTH] = {0};
    for (size_t i = 0; i < m; i += NARROW_ROWS, a.numbers += NARROW_ROWS * a.row, out += NARROW_ROWS * out_row) {
        size_t rows = m - i < NARROW_ROWS ? m - i : NARROW_ROWS;
        for (size_t row = 0; more && row < rows; row++)
            memcpy(sums + row * WIDTH, out + row * out_row, n * sizeof(float));
        strip_1(a, panel, WIDTH, sums, WIDTH, rows, terms, more, 0, 0);
        for (size_t row = 0; row < rows; row++)
            memcpy(out + row * out_row, sums + row * WIDTH, n * sizeof(float));
    }
}

static void multiply(matrix a, matrix b, float *out, size_t out_row, size_t m, size_t terms, size_t n)
{
    float panel[DEPTH * WIDEST * WIDTH] __attribute__((aligned(64)));
    size_t count = strips_of(n);
    /* Rows of b that lie far from each other, or not as they are multiplied, are laid together first. */
    int packs = b.column != 1 || count > 1 || n < WIDTH || m >= PACKED_ROWS;
    for (size_t number = 0; number < count; number++) {
        columns its = strip_of(n, number);
        size_t last = last_of(its);
        for (size_t term = 0; term < terms; term += DEPTH) {
            size_t depth = terms - term < DEPTH ? terms - term : DEPTH;
            matrix left = {a.numbers + term * a.column, a.row, a.column};
            matrix right = {b.numbers + term * b.row, b.row, b.column};
            if (packs)
                pack(right, its, depth, panel);
            if (n < WIDTH)
                narrow(left, panel, out, out_row, m, depth, term > 0, n);
            else if (packs)
                strips[its.vectors - 1](left, panel, its.vectors * WIDTH, out + its.first, out_row, m, depth, term > 0,
                                        (its.vectors - 1) * WIDTH, last);
            else
                strips[its.vectors - 1](left, right.numbers, b.row, out, out_row, m, depth, term > 0, last, last);
        }
    }
}

/* Whether this was compiled for processors that fuse: by others the same numbers would have other bits. */
int tenfold_fuses(void)
{
#if defined(__FMA__) || defined(__aarch64__)
    return 1;
#else
    return 0;
#endif
}

void tenfold_matmul(const product *its)
{
    matrix a = its->a, b = its->b;
    for (size_t network = 0; network < its->networks; network++) {
        multiply(a, b, its->out + network * its->out_next, its->out_row, its->rows, its->terms, its->columns);
        a.numbers += its->a_next;
        b.numbers += its->b_next;
    }
}
