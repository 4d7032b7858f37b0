/* The parts of matrix products: tiles whose sums stay in registers while their terms pass, and strips of tiles.

   Each number of a product is summed up in the order of its terms, by fused multiplications and additions. So all
   processors that fuse them give the same bits, however wide their vectors are, and whatever is multiplied beside it.
   Of the right factor, what a strip takes in lies in the first cache: Goto and van de Geijn 2008, "Anatomy of
   high-performance matrix multiplication", https://doi.org/10.1145/1356052.1356053. */

#ifndef TENFOLD_TILES_H
#define TENFOLD_TILES_H

#include <stddef.h>
#include <string.h>

/* Numbers of a vector, vectors of a strip where there are several strips and where there is one, rows of a tile: as many
   sums as there are registers for, beside what is multiplied. */
#if defined(__AVX512F__)
#define WIDTH 16
#define COLUMNS 7
#define WIDEST 7
#define ROWS(columns) ((columns) == 7 ? 3 : (columns) == 6 ? 4 : (columns) == 5 ? 5 : (columns) == 4 ? 6 : 8)
#elif defined(__AVX__)
#define WIDTH 8
#define COLUMNS 3
#define WIDEST 4
#define ROWS(columns) ((columns) == 4 ? 2 : (columns) == 3 ? 4 : (columns) == 2 ? 6 : 8)
#else
#define WIDTH 4
#define COLUMNS 3
#define WIDEST 4
#define ROWS(columns) ((columns) == 4 ? 2 : (columns) == 3 ? 4 : (columns) == 2 ? 6 : 8)
#endif
#define DEPTH 96          /* terms that are summed up at once */
#define MOST_EXAMPLES 512 /* of a gradient that is made as it is used */
#define MOST_ROWS 8
_Static_assert(COLUMNS > 2, "no strip of several is narrower than a vector");
#define EACH(i, count) _Pragma("GCC unroll 8") for (int i = 0; i < (count); i++)

/* Number (i, j) lies at numbers[i * row + j * column]. */
typedef struct {
    const float *numbers;
    size_t row, column;
} matrix;

typedef float lanes __attribute__((vector_size(WIDTH * sizeof(float)), aligned(sizeof(float))));

/* The sums of `rows` by `columns` vectors; those of the last vector begin at number `last` of b and of out. Loops over
   constants vanish where this is inlined. */
static inline __attribute__((always_inline)) void tile(matrix a, const float *b, size_t b_row, float *out,
                                                       size_t out_row, size_t terms, int more, const int rows,
                                                       const int columns, size_t last, size_t out_last)
{
    lanes sums[MOST_ROWS][WIDEST];
    EACH(i, rows) EACH(j, columns)
        sums[i][j] = more ? *(const lanes *)(out + i * out_row + (j + 1 < columns ? (size_t)j * WIDTH : out_last)) : (lanes){0};
    for (size_t term = 0; term < terms; term++) {
        lanes y[WIDEST];
        /* volatile: compilers would read each number again for each row */
        EACH(j, columns) y[j] = *(const volatile lanes *)(b + term * b_row + (j + 1 < columns ? (size_t)j * WIDTH : last));
        EACH(i, rows) {
            float x = a.numbers[i * a.row + term * a.column];
            EACH(j, columns) sums[i][j] += x * y[j];
        }
    }
    EACH(i, rows) EACH(j, columns)
        *(lanes *)(out + i * out_row + (j + 1 < columns ? (size_t)j * WIDTH : out_last)) = sums[i][j];
}

typedef void strip(matrix, const float *, size_t, float *, size_t, size_t, size_t, int, size_t, size_t);

#define STRIP(columns)                                                                                                 \
    static void strip_##columns(matrix a, const float *b, size_t b_row, float *out, size_t out_row, size_t m,          \
                                size_t terms, int more, size_t last, size_t out_last)                                  \
    {                                                                                                                  \
        size_t i = 0;                                                                                                  \
        for (; i + ROWS(columns) <= m; i += ROWS(columns), a.numbers += ROWS(columns) * a.row)                         \
            tile(a, b, b_row, out + i * out_row, out_row, terms, more, ROWS(columns), columns, last, out_last);        \
        for (; i < m; i++, a.numbers += a.row)                                                                         \
            tile(a, b, b_row, out + i * out_row, out_row, terms, more, 1, columns, last, out_last);                    \
    }

STRIP(1)
STRIP(2)
STRIP(3)
STRIP(4)
#if WIDEST == 7
STRIP(5)
STRIP(6)
STRIP(7)
#define OF_EACH_STRIP(of) {of(1), of(2), of(3), of(4), of(5), of(6), of(7)}
#else
#define OF_EACH_STRIP(of) {of(1), of(2), of(3), of(4)}
#endif
#define STRIP_OF(columns) strip_##columns
static strip *const strips[] = OF_EACH_STRIP(STRIP_OF);
static const size_t rows_of[] = OF_EACH_STRIP(ROWS);

/* Columns of a product that are computed together: `count` from `first` on, in so many vectors. */
typedef struct {
    size_t first, count, vectors;
} columns;

static size_t strips_of(size_t n)
{
    size_t vectors = (n + WIDTH - 1) / WIDTH;
    return vectors <= WIDEST ? 1 : (vectors + COLUMNS - 1) / COLUMNS;
}

/* Strip `number` of n columns: all are equally wide, but for one vector. */
static columns strip_of(size_t n, size_t number)
{
    size_t vectors = (n + WIDTH - 1) / WIDTH, strips = strips_of(n), wide = vectors / strips, wider = vectors % strips;
    size_t before = number * wide + (number < wider ? number : wider);
    columns its = {before * WIDTH, 0, wide + (number < wider)};
    its.count = its.first + its.vectors * WIDTH < n ? its.vectors * WIDTH : n - its.first;
    return its;
}

/* Where the last vector of a strip begins that ends with its last number: it may overlap the one before. */
static size_t last_of(columns its)
{
    return its.count < WIDTH ? 0 : its.count - WIDTH;
}

/* Lay a strip's columns of b side by side in `panel`, vector by vector; zeros where it has less than one. */
static void pack(matrix b, columns its, size_t terms, float *panel)
{
    size_t wide = its.vectors * WIDTH, whole = wide - WIDTH, last = last_of(its);
    size_t lasting = its.count < WIDTH ? its.count : WIDTH;
    const float *from = b.numbers + its.first * b.column;
    if (lasting < WIDTH)
        memset(panel, 0, terms * WIDTH * sizeof(float));
    for (size_t term = 0; term < terms; term++, panel += wide, from += b.row)
        if (b.column == 1) {
            memcpy(panel, from, whole * sizeof(float));
            memcpy(panel + whole, from + last, lasting * sizeof(float));
        } else {
            for (size_t j = 0; j < whole; j++)
                panel[j] = from[j * b.column];
            for (size_t j = 0; j < lasting; j++)
                panel[whole + j] = from[(last + j) * b.column];
        }
}

#endif
