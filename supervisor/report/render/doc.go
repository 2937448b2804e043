// Package render writes a report.Report for its readers: as text for a terminal, as CSV for
// programs, as JUnit XML for pipelines, as Markdown for tickets, and as one HTML page that
// needs nothing else. A Report writes itself as JSON.
//
// The same Report gives the same bytes, always. Everything that a client said is escaped
// for where it stands.
package render
