// Package fold folds the records of a run's journal into a report.Report.
//
// Invariants:
//
//   - The fold is pure: no clock, no I/O, no environment. The same records give
//     the same bytes, always.
//   - What a client said is not trusted. Batches may hold anything; a message
//     that cannot be true is left out whole and counted as malformed, for its
//     client alone. Every text is made safe for a terminal as it enters.
//   - Memory is bounded for each client, whatever it sends, and for the run, however
//     many clients it has and however long it is: see the limits of package report, rooms
//     and timeline. What a bound leaves out is counted and stated in the report.
//   - Percentiles of several processes or clients are those of the union of their
//     histograms.
//   - Times in messages are the client's clock and times of records are the
//     supervisor's. They meet in the rate of the whole run and in the run over time,
//     by the offset each client showed when it arrived.
//   - In which order the records of different sessions come changes no number.
//
// The package does not read the journal's files (supervisor/journal does), and does not
// verify the journal beyond what folding needs: a record out of order is left out or
// stated, and makes the report partial.
package fold
