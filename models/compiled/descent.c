/* A step of Adam on a network whose gradients of matrices are made row by row, as they are used.

   What is made and used at once never leaves the first cache: the largest part of a step's way to memory is saved. */

#include "tiles.h"

#include "elementwise.h"

#define BLOCK 12 /* rows of a gradient that are made at once, at most */
_Static_assert(BLOCK >= MOST_ROWS, "a block has a tile's rows at least");

/* The gradient a[I][B] b[B][O] of a matrix w[I][O] that begins at number `place` of a network's row. */
typedef struct {
    matrix a, b;
    size_t place, inputs, examples, outputs;
} factors;

static void descend(const factors *of, float *w, float *m, float *v, const adam *by)
{
    float panel[MOST_EXAMPLES * WIDEST * WIDTH] __attribute__((aligned(64)));
    float gradient[BLOCK * WIDEST * WIDTH] __attribute__((aligned(64)));
    for (size_t number = 0; number < strips_of(of->outputs); number++) {
        columns its = strip_of(of->outputs, number);
        size_t wide = its.vectors * WIDTH, row = its.count < WIDTH ? WIDTH : its.count;
        size_t block = BLOCK - BLOCK % rows_of[its.vectors - 1];
        pack(of->b, its, of->examples, panel);
        for (size_t i = 0; i < of->inputs; i += block) {
            size_t rows = of->inputs - i < block ? of->inputs - i : block, at = i * of->outputs + its.first;
            matrix a = {of->a.numbers + i * of->a.row, of->a.row, of->a.column};
            for (size_t term = 0; term < of->examples; term += DEPTH, a.numbers += DEPTH * a.column)
                strips[its.vectors - 1](a, panel + term * wide, wide, gradient, row, rows,
                                        of->examples - term < DEPTH ? of->examples - term : DEPTH, term > 0,
                                        wide - WIDTH, last_of(its));
            if (row == of->outputs)
                tenfold_adam(w + at, gradient, m + at, v + at, rows * row, by);
            else
                for (size_t j = 0; j < rows; j++, at += of->outputs)
                    tenfold_adam(w + at, gradient + j * row, m + at, v + at, its.count, by);
        }
    }
}

/* One step of Adam on n numbers w of a network, of which g holds the gradients but for those of its matrices. */
void tenfold_descend(float *w, const float *g, float *m, float *v, size_t n, const factors *of, size_t matrices,
                     const adam *by)
{
    size_t done = 0;
    for (const factors *its = of; its < of + matrices; its++) {
        size_t place = its->place;
        tenfold_adam(w + done, g + done, m + done, v + done, place - done, by);
        descend(its, w + place, m + place, v + place, by);
        done = place + its->inputs * its->outputs;
    }
    tenfold_adam(w + done, g + done, m + done, v + done, n - done, by);
}
