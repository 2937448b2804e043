// Package words puts parts of a report.Report into sentences and table cells for people.
// Nothing decides by what it returns.
package words
