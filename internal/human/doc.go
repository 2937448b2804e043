// Package human puts numbers, amounts and durations into the form in which people read them,
// and cuts texts to the columns of a terminal. There is one form for each kind of figure in
// what is read once, and one in views that are drawn again and again: there a figure keeps its
// digits, so that it does not jump, and a duration counts up like a clock.
//
// Configurations have forms of their own (exact.go), and so do the plans, logs and results of a
// client (brief.go), each of which is one line among others.
package human
