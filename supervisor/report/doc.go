// Package report is the report of a run as programs read it: the model, its JSON, and the
// numbers that follow from it alone. What reads a report.json needs nothing else of these
// rooms:
//
//	journal ──Replay──► fold ──► report.Report ──► render: text | JSON | CSV | …
//	                     │ asks                └──► compare
//	                     ▼
//	                   judge ──says it in──► words
//
// The rooms, of which each imports only this one and those before it in the order words,
// judge, fold, render, compare, saved:
//
//   - report/fold folds the records of a journal into a Report.
//   - report/judge says what the numbers mean: verdict, findings, assertions.
//   - report/words puts parts of a Report into sentences.
//   - report/render writes a Report as text, CSV, Markdown, JUnit XML and HTML.
//   - report/compare compares two Reports.
//   - report/saved reads what a run has left on disk.
//   - report/stories tests them together: a run told as a story, and its report.
//
// Of the rooms only fold, judge and saved know the journal: fold replays it, judge words what
// is wrong with it, saved finds it. This package does not, and does not decide where a report
// is written.
package report
