// Package report is the report of a run as programs read it: the model, its JSON, and the
// numbers that follow from it alone. What imports it needs nothing else of these rooms:
//
//	journal ──Replay──► fold ──► report.Report ──► render: text | JSON | CSV | …
//	                     │ asks                └──► compare
//	                     ▼
//	                   judge ──says it in──► words
//
// The rooms, of which each imports only this one and those before it in the order words,
// judge, fold, render, compare:
//
//   - report/fold folds the records of a journal into a Report.
//   - report/judge says what the numbers mean: verdict, findings, assertions.
//   - report/words puts parts of a Report into sentences.
//   - report/render writes a Report as text, CSV, Markdown, JUnit XML and HTML.
//   - report/compare compares two Reports.
//   - report/stories tests them together: a run told as a story, and its report.
//
// The package does not read journals, and does not decide where a report is written.
package report
