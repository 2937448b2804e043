// Package value has the kinds of value that a setting can have: sizes, durations,
// addresses, who is awaited, what chunks are filled with, and so on.
//
// A kind has a function that reads it from a text of one line, with an error that says
// what is wrong and what would be valid; a sentence of all that is valid, where that is
// more than a range; and, if it is a type of this package, a String that writes it as it
// is read.
//
// The package knows no key, file, environment or flag. Package config binds kinds to
// keys, and reads those that YAML can also give as a map or a list.
package value
