package repeats

import (
	"fmt"
	"strings"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/plural"
	"bulkhead/supervisor/report"
)

// Schema names the form of the JSON of a Summary, as that of a Report.
const Schema = "bulkhead.repeats/1"

// Summary is what several runs came to together.
type Summary struct {
	Schema string `json:"schema"`
	// Text is the summary in one line.
	Text string `json:"text"`
	// Job is the job's name; "" for runs of none, or of several.
	Job string `json:"job"`
	// Asked is how many runs there were to be; 0 if that is not known.
	Asked uint32 `json:"asked"`
	// Failure is why not all of them were begun; "" if they were, or nothing is known of it.
	Failure string `json:"failure"`
	// Runs are in the order of their numbers.
	Runs []Run `json:"runs"`
	// Compared is how many of the runs the figures are of.
	Compared int `json:"compared"`
	// Figures are those that at least one run has.
	Figures []Figure `json:"figures"`
	// Notes are what limits the summary.
	Notes []string `json:"notes"`
	// Test says when a run is unlike the others.
	Test string `json:"test"`
}

// Run is one of the runs.
type Run struct {
	// Number is which of the job's runs it is, or which of those that were given, from 1.
	Number    uint32       `json:"number"`
	RunID     string       `json:"run_id"`
	StartedAt report.Stamp `json:"started_at"`
	// Word is the verdict in one word; "" if there is no report.
	Word report.Word `json:"word"`
	// Reason is the first reason why it is not complete, or why there is no report; "" for none.
	Reason string `json:"reason"`
	// Compared says that the figures are of this run too.
	Compared bool `json:"compared"`
	// Outlier are the figures in which it is unlike the others.
	Outlier []string `json:"outlier"`

	job    string
	of     uint32
	values []value // in the order of figures
	stages []staged
}

// value is a figure of a run, if it has one.
type value struct {
	is    float64
	known bool
}

// Figure is a figure over all compared runs.
type Figure struct {
	Name string `json:"name"`
	// Unit is "bytes_per_second", "nano" or "count".
	Unit string `json:"unit"`
	// Values are those of Runs, in their order; null for a run without one.
	Values []*float64 `json:"values"`
	// Runs is how many compared runs have one. The rest is of these, and 0 if there are none.
	Runs   int     `json:"runs"`
	Median float64 `json:"median"`
	// Least and Most are the extremes, of the runs with these numbers.
	Least    float64 `json:"least"`
	LeastRun uint32  `json:"least_run"`
	Most     float64 `json:"most"`
	MostRun  uint32  `json:"most_run"`
	// VariationPercent is the coefficient of variation: the standard deviation, by the mean; null for
	// less than two runs, or a mean of 0.
	VariationPercent *float64 `json:"variation_percent"`
	// Outliers are the numbers of the runs that are unlike the others in it.
	Outliers []uint32 `json:"outliers"`
}

// Of returns what is kept of a run: of a job, if the report says so; otherwise number says which of those
// that were given it is.
func Of(r *report.Report, number uint32) Run {
	run := Run{Number: number, RunID: r.Run.ID, StartedAt: r.Run.StartedAt, Word: r.Verdict.Word,
		Outlier: []string{}}
	for _, list := range [][]string{r.Verdict.Interruptions, r.Verdict.Reasons} {
		if len(list) > 0 {
			run.Reason = list[0]
		}
	}
	if j := r.Run.Job; j != nil {
		run.job, run.of = j.Name, j.Of
	}
	for _, f := range figures() {
		x, known := f.of(r)
		run.values = append(run.values, value{x, known})
	}
	run.stages = stagesOf(r)
	return run
}

// Missing returns a run that has no report, for that reason.
func Missing(id, why string, number uint32) Run {
	return Run{Number: number, RunID: id, Reason: plaintext.Line(why, plaintext.MaxText), Outlier: []string{},
		values: make([]value, len(figures()))}
}

// Sum sums up runs. asked and failure are those of the Summary.
func Sum(runs []Run, asked uint32, failure string) *Summary {
	s := &Summary{Schema: Schema, Runs: runs, Asked: asked, Figures: []Figure{}, Notes: []string{},
		Failure: plaintext.Line(failure, plaintext.MaxText), Test: testText}
	s.choose()
	for k, f := range figures() {
		if one, any := s.figure(f, func(run *Run) value { return run.values[k] }); any {
			s.Figures = append(s.Figures, one)
		}
	}
	for _, f := range stageFigures(runs) {
		one, _ := s.figure(f, func(run *Run) value { return run.inStage(f.name) })
		s.Figures = append(s.Figures, one)
	}
	for i, run := range runs {
		if i == 0 {
			s.Job = run.job
		}
		if run.job != s.Job {
			s.Job = ""
		}
	}
	s.note()
	s.Text = s.line()
	return s
}

// choose decides which runs are compared.
func (s *Summary) choose() {
	for i := range s.Runs {
		s.Runs[i].Compared = s.Runs[i].Word == report.WordComplete
		if s.Runs[i].Compared {
			s.Compared++
		}
	}
	if s.Compared > 0 {
		return
	}
	for i := range s.Runs {
		if s.Runs[i].Word != "" {
			s.Runs[i].Compared = true
			s.Compared++
		}
	}
	if s.Compared > 0 {
		s.Notes = append(s.Notes, "no run is complete: the figures are of loads that lack something")
	}
}

// note says what limits the summary.
func (s *Summary) note() {
	if s.Asked > uint32(len(s.Runs)) {
		why := ""
		if s.Failure != "" {
			why = ": " + strings.ReplaceAll(s.Failure, "\n", "; ")
		}
		s.Notes = append(s.Notes, fmt.Sprintf("%d of %s begun%s", len(s.Runs), were(s.Asked), why))
	}
	if s.Compared < leastToTell && len(s.Runs) > 1 {
		s.Notes = append(s.Notes, fmt.Sprintf("which run is unlike the others cannot be told of fewer than %d",
			leastToTell))
	}
	jobs := map[string]bool{}
	for _, run := range s.Runs {
		if run.Word != "" {
			jobs[run.job] = true
		}
	}
	if len(jobs) > 1 {
		s.Notes = append(s.Notes, "the runs are not all of one job: they may have written different loads")
	}
}

func were(n uint32) string {
	if n == 1 {
		return "1 run was"
	}
	return fmt.Sprintf("%d runs were", n)
}

// line returns the summary in one line.
func (s *Summary) line() string {
	complete := 0
	var others, unlike []string
	for _, run := range s.Runs {
		switch {
		case run.Word == report.WordComplete:
			complete++
		case run.Word == "":
			others = append(others, fmt.Sprintf("run %d has no report", run.Number))
		default:
			others = append(others, fmt.Sprintf("run %d is %s", run.Number, run.Word))
		}
		if len(run.Outlier) > 0 {
			unlike = append(unlike, fmt.Sprintf("run %d is unlike the others (%s)", run.Number,
				strings.Join(run.Outlier, ", ")))
		}
	}
	text := fmt.Sprintf("%s, %d complete", plural.Of(len(s.Runs), "run"), complete)
	if s.Asked > uint32(len(s.Runs)) {
		text = fmt.Sprintf("%d of %s, %d complete", len(s.Runs), plural.Of(s.Asked, "run"), complete)
	}
	return strings.Join(append([]string{text}, append(others, unlike...)...), "; ")
}

// Complete reports whether all runs that were asked for are there, and complete.
func (s *Summary) Complete() bool {
	for _, run := range s.Runs {
		if run.Word != report.WordComplete {
			return false
		}
	}
	return s.Asked <= uint32(len(s.Runs))
}
