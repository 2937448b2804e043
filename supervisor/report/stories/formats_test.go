package stories

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"
	"testing"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// rowsOf reads CSV back: each row by the names of the first.
func rowsOf(t *testing.T, data []byte) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := make(map[string]string)
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// The rows of CSV are each client and interval once, and add up to the totals.
func TestCSVAddsUpToTheTotals(t *testing.T) {
	r := folded.All(t, story.Disturbed(t))
	data := written(t, func(w io.Writer) error { return render.CSV(r, w) })
	if n := bytes.Count(data, []byte("\n")); bytes.Count(data, []byte("\r\n")) != n {
		t.Error("lines do not end as RFC 4180 has it")
	}
	var bytesWritten, files uint64
	seen := make(map[string]bool)
	for _, row := range rowsOf(t, data) {
		key := row["session"] + "/" + row["interval"]
		if seen[key] {
			t.Errorf("row %s comes twice", key)
		}
		seen[key] = true
		n, err := strconv.ParseUint(row["bytes"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		f, err := strconv.ParseUint(row["rollovers"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		bytesWritten, files = bytesWritten+n, files+f
		if wrote := row["p99_nano"] != ""; wrote != (row["max_nano"] != "") || n > 0 && !wrote {
			t.Errorf("row %s wrote %d bytes, p99 %q, max %q", key, n, row["p99_nano"], row["max_nano"])
		}
	}
	if len(seen) != 3*r.Series.ClientIntervals || bytesWritten != r.Totals.Bytes || files != r.Totals.Files {
		t.Errorf("%d rows, %d bytes, %d files; want %d, %d, %d", len(seen), bytesWritten, files,
			3*r.Series.ClientIntervals, r.Totals.Bytes, r.Totals.Files)
	}
}

// The last interval's rate is over what there is of it.
func TestCSVRateOfACutInterval(t *testing.T) {
	rows := rowsOf(t, written(t, func(w io.Writer) error { return render.CSV(folded.All(t, story.CutShort(t)), w) }))
	last := rows[len(rows)-1]
	if len(rows) != 2 || last["bytes"] != "100" || last["interval_seconds"] != "0.5" ||
		last["bytes_per_second"] != "200" || last["after_seconds"] != "1" {
		t.Errorf("last of %d rows: %v", len(rows), last)
	}
}

// What clients call themselves means nothing to a spreadsheet, to Markdown or to XML.
func TestHostileNamesInEveryFormat(t *testing.T) {
	evil := "=cmd|'/c calc'!A1,\"x\"<img src=https://evil.example/a onerror=alert(1)> [a](b) `c` @team #7 " +
		"www.evil.example **d** \x1b[2J\u202e ]]> &amp;\x00"
	s := story.New(t, 1)
	a := s.Arrive(evil, 1, 1, 4001, 0)
	s.Records[1].GetSessionOpened().GetHello().Host = evil
	a.Say(a.Progress(0, 1, 1, "|"+strings.ToValidUTF8(evil, "")))
	a.End(bulkheadv1.Outcome_OUTCOME_LOST, evil+"\nsecond line")
	s.Rejected(9, 4009, evil, evil, evil)
	r := folded.All(t, s.Records)

	for _, row := range rowsOf(t, written(t, func(w io.Writer) error { return render.CSV(r, w) })) {
		for name, cell := range row {
			if strings.ContainsAny(cell[:min(len(cell), 1)], "=+@-") {
				t.Errorf("%s is a formula: %q", name, cell)
			}
		}
	}

	ticket := string(written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }))
	for _, mark := range []string{"<img", "https://", "www.evil", "@team", "#7", "[a]", " **d", " `c"} {
		if strings.Contains(ticket, mark) {
			t.Errorf("Markdown takes a name for something: %q is in\n%s", mark, ticket)
		}
	}
	// A reference is looked for when escapes are text already.
	if text := html.UnescapeString(ticket); strings.Contains(text, "@team") || strings.Contains(text, "#7") {
		t.Errorf("a site takes a name for a mention or a reference in\n%s", text)
	}
	for _, line := range strings.Split(ticket, "\n") {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, "lost") {
			if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); n != 14 {
				t.Errorf("a row of %d cells: %s", n-1, line)
			}
		}
	}

	var suites render.JunitSuites
	data := written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) })
	if err := xml.Unmarshal(data, &suites); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	if c := suites.Suite.Cases[1]; c.Name != r.Clients[0].Label || c.Failure == nil ||
		!strings.Contains(c.Failure.Text, "second line") {
		t.Errorf("the client's case is %+v", c)
	}
}

// JUnit counts what it lists, and fails what failed.
func TestJUnitCounts(t *testing.T) {
	r := folded.All(t, story.Disturbed(t))
	var suites render.JunitSuites
	data := written(t, func(w io.Writer) error { return render.JUnit(r, w, checkAll(t, r, "lost == 1", "lost == 0")) })
	if err := xml.Unmarshal(data, &suites); err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, c := range suites.Suite.Cases {
		if c.Failure != nil {
			failed = append(failed, c.Class+" "+c.Name)
		}
	}
	want := "[bulkhead.run 20260302T140210Z-7f3a91 bulkhead.client bravo bulkhead.client expected clients " +
		"bulkhead.assert lost == 0]"
	if got := fmt.Sprint(failed); got != want || suites.Failures != 4 || suites.Tests != 7 || suites.Suite.Tests != 7 {
		t.Errorf("failed %s, %d of %d tests", got, suites.Failures, suites.Tests)
	}
}

// With 500 clients, what is for people stays short, and what is for programs has them all.
func TestFiveHundredClients(t *testing.T) {
	f := fold.NewFolder()
	story.Crowd(t, 500, 1, 3, func(r *bulkheadv1.Record) {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	})
	r := f.Report()
	text, json := rendered(t, r)
	comparePacked(t, "crowd.txt.gz", text)
	comparePacked(t, "crowd.json.gz", json)
	comparePacked(t, "crowd.csv.gz", written(t, func(w io.Writer) error { return render.CSV(r, w) }))
	compareGolden(t, "crowd.md", written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }))
	comparePacked(t, "crowd.xml.gz",
		written(t,
			func(w io.Writer) error { return render.JUnit(r, w, checkAll(t, r, "clients == 500", "lost == 0")) }))
	if n := len(rowsOf(t, written(t,
		func(w io.Writer) error { return render.CSV(r, w) }))); n != 500*r.Series.ClientIntervals {
		t.Errorf("%d rows, want one for each of 500 clients and %d intervals", n, r.Series.ClientIntervals)
	}
	if n := bytes.Count(written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) }),
		[]byte("bulkhead.client")); n != 500 {
		t.Errorf("%d cases of clients, want 500", n)
	}
	again, err := report.ReadJSON(bytes.NewReader(written(t, r.JSON)))
	if err != nil {
		t.Fatal(err)
	}
	if c := compare.Reports(r, again); c.Summary != "the runs are too short to tell a difference from chance" ||
		len(c.Configured) != 0 {
		t.Errorf("compared to itself: %s, configured %v", c.Summary, c.Configured)
	}
}
