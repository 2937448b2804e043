// Package latency is the one mergeable latency histogram of Bulkhead: workers
// record with it, messages carry it, and the report merges it.
//
// A Recorder is the writing side: cheap, of fixed size, and emptied once an
// interval by Take. A Histogram is what Take returns: a sparse set of buckets
// with the exact minimum, maximum and sum beside it.
//
// Invariants:
//
//   - Buckets are those of HdrHistogram with a lowest discernible value of 1 ns
//     and three significant decimal digits. A bucket is named by the lowest
//     value that falls into it and is less than 0.1 % of that value wide.
//   - Merging adds counts: a merge of many histograms is the histogram of all
//     their values, in any order. Percentiles are taken of the merge; they are
//     never averaged.
//   - Counts and sums saturate at the top of their range instead of wrapping.
//   - A Histogram holds at most 55 296 buckets, whatever was put into it: that
//     is how many there are between 0 and the longest time.Duration.
//
// The package neither measures time nor formats it, and nothing in it is safe
// for concurrent use.
package latency
