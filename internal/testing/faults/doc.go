// Package faults holds the tests that break every part of a running system at every
// moment and check that the report is still complete and true: the fault matrix, the
// crash points of the supervisor, and seeded chaos. It runs the real programs.
//
// A cell of the matrix is a target, a fault and a moment. Each runs a supervisor of
// its own and three clients: a and b, which must notice nothing, and c, which is
// disturbed. What must be true after every cell is checked by one function, finish,
// so that a cell says only what is particular to it: how c's session ends, why, and what its
// processes' ends are called. Cells that cannot exist are in the table impossible, each
// with its reason. docs/faults.md shows both tables and is checked against them.
package faults
