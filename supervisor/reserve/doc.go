// Package reserve keeps something of everything back for the supervisor itself: descriptors,
// threads and memory. Who asks is told whether there is room beyond the reserve, and sheds if
// there is none: the supervisor dies last.
package reserve
