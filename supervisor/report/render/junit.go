package render

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/words"
)

// shownInJUnit is how many corruptions JUnit lists.
const shownInJUnit = 100

// JunitSuites is the form that continuous-integration servers read as JUnit's.
type JunitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Suite    JunitSuite `xml:"testsuite"`
}

// JunitSuite is the one suite in it: the run.
type JunitSuite struct {
	Name      string `xml:"name,attr"`
	Tests     int    `xml:"tests,attr"`
	Failures  int    `xml:"failures,attr"`
	Errors    int    `xml:"errors,attr"`
	Skipped   int    `xml:"skipped,attr"`
	Time      string `xml:"time,attr"`
	Timestamp string `xml:"timestamp,attr,omitempty"`
	Hostname  string `xml:"hostname,attr,omitempty"`
	// Properties are nil for none.
	Properties *JunitProperties `xml:"properties"`
	Cases      []JunitCase      `xml:"testcase"`
}

// JunitProperties are figures of the suite.
type JunitProperties struct {
	List []JunitProperty `xml:"property"`
}

// JunitProperty is one of them.
type JunitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// JunitCase is one thing that may fail: an assertion, a client or a part of the verdict.
type JunitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *JunitFailure `xml:"failure"`
}

// JunitFailure says what failed.
type JunitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"` // the case's class; some readers insist on one
	Text    string `xml:",chardata"`
}

// JUnit writes the report as JUnit XML: a case for the run, which fails when the report is
// not complete, one for each client, which fails for any outcome but closed and for a load that is
// not whole, one for each stage, which fails if a client did not finish it, one for the content of
// the files if any was verified, which fails if a block is corrupt, and one for each asserted
// threshold, the run's own first. An error is w's.
func JUnit(r *report.Report, w io.Writer, asserted []judge.Result) error {
	suite := JunitSuite{Name: "bulkhead", Time: seconds(r.Run.LengthNano), Hostname: r.Run.Host.Name}
	if r.Run.StartedAt != 0 {
		suite.Timestamp = r.Run.StartedAt.UTC().Format("2006-01-02T15:04:05")
	}
	suite.Properties = windowProperties(r)
	suite.Properties = suite.Properties.with(stageProperties(r))
	suite.add("run", human.OrDash(r.Run.ID), r.Run.LengthNano, !r.Complete(),
		string(r.Verdict.Word)+": "+words.Headline(r),
		strings.Join(slices.Concat(r.Verdict.Reasons, r.Verdict.Interruptions), "\n"))
	for i := range r.Clients {
		c := &r.Clients[i]
		kind, why := words.Shortfall(r, c)
		suite.add("client", c.Label, c.RuntimeNano, kind != "", kind, why)
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		kind, why := words.StageShortfall(s)
		suite.add("stage", s.Name, s.LengthNano, kind != "", kind, why)
	}
	for _, name := range r.Run.AbsentNames {
		suite.add("client", name, 0, true, "absent", "it is expected and never came")
	}
	if n := int(r.Run.ExpectedClients) - int(r.Run.JoinedClients); n > 0 && len(r.Run.AbsentNames) == 0 {
		suite.add("client", "expected clients", 0, true,
			"absent", fmt.Sprintf("%d of %d never came; a name counts once", n, r.Run.ExpectedClients))
	}
	if w := &r.Totals.Writes; words.ComparedBytes(w) > 0 || words.RunBadContent(r) != "" {
		suite.add("content", "verification", 0, words.RunBadContent(r) != "", words.RunBadContent(r),
			strings.Join(places(r), "\n"))
	}
	for _, a := range slices.Concat(judge.Asserted(r), asserted) {
		suite.add("assert", a.Assertion.String(), 0, !a.Holds, a.String(), "")
	}
	all := JunitSuites{Tests: suite.Tests, Failures: suite.Failures, Suite: suite}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (p *JunitProperties) add(name, value string) {
	p.List = append(p.List, JunitProperty{name, value})
}

// with returns the properties of both; nil for none.
func (p *JunitProperties) with(o *JunitProperties) *JunitProperties {
	if p == nil || o == nil {
		return cmp.Or(p, o)
	}
	p.List = append(p.List, o.List...)
	return p
}

// windowProperties returns what is known of the time in which several clients wrote together.
func windowProperties(r *report.Report) *JunitProperties {
	w := r.CommonWindow
	if !w.Told() {
		return nil
	}
	p := &JunitProperties{}
	add := func(name, value string) { p.add("common_window."+name, value) }
	add("clients", strconv.Itoa(w.Clients))
	add("seconds", seconds(w.LengthNano))
	add("overlap_percent", strconv.FormatFloat(w.OverlapPercent, 'f', -1, 64))
	add("start_spread_seconds", seconds(w.StartSpreadNano))
	if w.Intervals > 0 {
		add("bytes_per_second", strconv.FormatUint(w.BytesPerSecond, 10))
	}
	if w.ChunkWrite.Known() {
		add("chunk_write_p50_seconds", seconds(w.ChunkWrite.P50Nano))
		add("chunk_write_p99_seconds", seconds(w.ChunkWrite.P99Nano))
		add("chunk_write_p999_seconds", seconds(w.ChunkWrite.P999Nano))
	}
	return p
}

// add adds a case. message and text are used if it failed.
func (s *JunitSuite) add(class, name string, nano int64, failed bool, message, text string) {
	c := JunitCase{Class: "bulkhead." + class, Name: name, Time: seconds(nano)}
	if failed {
		c.Failure = &JunitFailure{Message: message, Type: class, Text: text}
		s.Failures++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}

// places returns where content is corrupt, and what was found instead.
func places(r *report.Report) []string {
	var list []string
	for i := range r.Clients {
		c := &r.Clients[i]
		for j := range c.Corruptions {
			if len(list) == shownInJUnit {
				return append(list, "and more in report.json")
			}
			of := &c.Corruptions[j]
			list = append(list, fmt.Sprintf("%s %s; expected %s; found %s", c.Label, words.Place(of),
				human.OrDash(of.Expected), human.OrDash(of.Found)))
		}
	}
	return list
}

// stageProperties returns what is known of the stages that were begun, and of the knees.
func stageProperties(r *report.Report) *JunitProperties {
	if len(r.Stages) == 0 {
		return nil
	}
	p := &JunitProperties{}
	for i := range r.Stages {
		s := &r.Stages[i]
		if s.Clients == 0 {
			continue
		}
		name := "stage." + s.Name + "."
		if g := s.Gather; g != nil {
			p.add(name+"together", g.Text)
		}
		p.add(name+"bytes_per_second", strconv.FormatUint(s.BytesPerSecond, 10))
		if s.OfferedBytesPerSecond > 0 {
			p.add(name+"offered_bytes_per_second", strconv.FormatUint(s.OfferedBytesPerSecond, 10))
		}
		if s.ChunkWrite.Known() {
			p.add(name+"chunk_write_p99_seconds", seconds(s.ChunkWrite.P99Nano))
		}
		if s.Response.Known() {
			p.add(name+"response_p99_seconds", seconds(s.Response.P99Nano))
		}
	}
	for i := range r.Curves {
		p.add("curve."+r.Curves[i].Name+".knee", r.Curves[i].Text)
	}
	return p
}
