// Package repeats sums up runs of the same load: how each figure is in the middle, how far it is spread
// over the runs, and which run is unlike the others. It is pure; where runs are on disk, others know.
//
// Only complete runs are summed up: a run that was cut short, or that lacks something, wrote another
// load. If none is complete, all that have figures are, and the summary says so.
package repeats
