// Package human puts numbers, amounts and durations into the form in which people read them,
// and cuts texts to the columns of a terminal. There is one form for each kind of figure,
// everywhere.
package human
