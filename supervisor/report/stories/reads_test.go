package stories

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// TestReadsInEveryFormat: what readers read is the same for a process, its client and the run, over
// time, in CSV, and in what can be asserted; a run without readers has none.
func TestReadsInEveryFormat(t *testing.T) {
	r := folded.All(t, story.Rated(t))
	total := r.Totals.Reads
	if total == nil || total.Operations != 13*200 || total.Bytes != 13*200*16<<10 || total.Errors != 1 ||
		total.Latency.Count != total.Operations || total.Response == nil || total.BytesPerSecond == 0 {
		t.Fatalf("reads of all: %+v", total)
	}
	var own *report.Reads
	for _, p := range r.Clients[0].Processes {
		if p.Writes == nil || p.Writes.Reads == nil {
			continue
		}
		if own != nil || p.Index != 0 {
			t.Errorf("consumer %d read, too", p.Index)
		}
		own = p.Writes.Reads
	}
	if own == nil || own.Bytes != total.Bytes || *r.Clients[0].Reads.Response != *own.Response {
		t.Errorf("reads of the consumer %+v, of its client %+v", own, r.Clients[0].Reads)
	}
	if sum := story.Sum(r.Series.Total.ReadBytes); sum != total.Bytes {
		t.Errorf("%d B over time, %d B in all", sum, total.Bytes)
	}
	if sum := story.Sum(r.Series.Clients[0].ReadBytes); sum != total.Bytes {
		t.Errorf("%d B of the client over time, %d B in all", sum, total.Bytes)
	}
	var out bytes.Buffer
	if err := render.CSV(r, &out); err != nil {
		t.Fatal(err)
	}
	var inRows uint64
	for _, row := range rowsOf(t, out.Bytes()) {
		n, err := strconv.ParseUint(row["read_bytes"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		inRows += n
	}
	if inRows != total.Bytes {
		t.Errorf("%d B in CSV, %d B in all", inRows, total.Bytes)
	}
	got := checkAll(t, r, "read_p99 < 3ms", "read_response_max < 500ms", "read_throughput > 1MB/s", "read_errors == 0",
		"read_bytes > 10MB")
	for i, want := range []bool{true, false, true, false, true} {
		if got[i].Holds != want {
			t.Errorf("%v; want %t", got[i], want)
		}
	}
	plain := folded.All(t, story.Undisturbed(t))
	if plain.Totals.Reads != nil || len(plain.Series.Clients[0].ReadBytes) > 0 {
		t.Errorf("a run without readers has %+v", plain.Totals.Reads)
	}
	unknown := checkAll(t, plain, "read_p99 < 3ms")[0]
	if unknown.Holds || !strings.Contains(unknown.Value, "not known") {
		t.Errorf("%v; want it not to be known", unknown)
	}
}

// TestReadErrorsAreAFinding, and no errors of writing.
func TestReadErrorsAreAFinding(t *testing.T) {
	r := folded.All(t, story.Rated(t))
	found := 0
	for _, f := range r.Findings {
		if f.Kind == report.FindingReads {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d findings of read errors, want 1: %v", found, r.Findings)
	}
	for _, w := range r.Verdict.Warnings {
		if strings.Contains(w, "write error") {
			t.Errorf("%s, of errors that readers had", w)
		}
	}
}

// TestReadersThatFailToTheEnd do not make it a load that failed to write, although no file was
// finished meanwhile.
func TestReadersThatFailToTheEnd(t *testing.T) {
	for _, readers := range []bool{true, false} {
		s := story.New(t, 1)
		a := s.Arrive("a", 1, 1, 4001, 0)
		a.Start()
		a.At(10 * time.Second)
		a.Worked(0, 1)
		for i := range 3 {
			a.At(time.Duration(11+i) * time.Second)
			m := a.Progress(0, 60, 1, "gone")
			if readers {
				m.GetProgress().VerifyErrors, m.GetProgress().ReadErrors = 1, 1
			}
			a.Say(m, a.Progress(1, 60, 0, ""), a.Sample(0, 2+i), a.Sample(1, 2+i))
		}
		a.At(20 * time.Second)
		stop := a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil)
		stop.GetStop().RuntimeReachedNano = int64(20 * time.Second)
		a.Say(stop)
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		v := folded.All(t, s.Records).Verdict
		if want := map[bool]report.Word{true: report.WordComplete, false: report.WordPartial}[readers]; v.Word != want {
			t.Errorf("errors of readers %t: %s %q; want %s", readers, v.Word, v.Reasons, want)
		}
	}
}

// TestWhatReadersCompared is as good as what was read back to be compared: where it is sound, JUnit has
// its case, and where it is not, the finding says how much was compared.
func TestWhatReadersCompared(t *testing.T) {
	for _, corrupt := range []uint64{0, 1} {
		s := story.New(t, 1)
		s.Readers = 1
		a := s.Arrive("a", 1, 1, 4001, 0)
		a.Start()
		a.At(20 * time.Second)
		for i := range uint32(2) {
			m := a.Progress(i, 60, 0, "")
			p := m.GetProgress()
			p.Reads, p.ReadBytes, p.ReadVerifiedBytes, p.CorruptBlocks = 2, 3e6, 3e6, corrupt
			a.Say(m, a.Rollover(i, 0, false), a.Sample(i, 1))
		}
		stop := a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil)
		stop.GetStop().RuntimeReachedNano = int64(20 * time.Second)
		a.Say(stop)
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := folded.All(t, s.Records)
		junit := string(written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) }))
		if !strings.Contains(junit, `name="verification"`) {
			t.Errorf("%d corrupt blocks: JUnit has no case for what was compared", corrupt)
		}
		text, _ := rendered(t, r)
		if want := "verified     6 MB read back and compared; "; !strings.Contains(string(text), want) {
			t.Errorf("%d corrupt blocks: the text does not have %q", corrupt, want)
		}
		for _, f := range r.Findings {
			if f.Kind == report.FindingCorruption && !strings.HasPrefix(f.Evidence, "6 MB read back and compared") {
				t.Errorf("the evidence of the corruption is %q", f.Evidence)
			}
		}
	}
}

// TestReadErrorsOfAWarmUp are those of readers all the same, and no errors of writing.
func TestReadErrorsOfAWarmUp(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	a.At(2 * time.Second)
	m := a.Progress(0, 60, 3, "gone")
	m.GetProgress().Warmup, m.GetProgress().VerifyErrors, m.GetProgress().ReadErrors = true, 3, 3
	a.Say(m)
	a.At(20 * time.Second)
	a.Worked(0, 1)
	stop := a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil)
	stop.GetStop().RuntimeReachedNano = int64(20 * time.Second)
	a.Say(stop)
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r := folded.All(t, s.Records)
	for _, w := range r.Verdict.Warnings {
		if strings.Contains(w, "error") {
			t.Errorf("%s, of errors that readers had", w)
		}
	}
	if reads := r.Clients[0].Reads; reads == nil || reads.Errors != 3 || reads.Operations != 0 {
		t.Errorf("reads %+v; want the errors alone", reads)
	}
}

// TestReadsOfOtherClients: a corrupt block in another client's file is told with both hosts in every
// format, and what became of the reading with it. Who found no neighbour, or none on another host, is a
// finding, and in the first case the run is not whole.
func TestReadsOfOtherClients(t *testing.T) {
	for _, neighbours := range []uint32{0, 1, 3} {
		s := story.New(t, 1)
		a := s.Specialist("a", 1, &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{
			ChunkSizeBytes: 1 << 20, FileSizeBytes: 4 << 20, KeepFiles: 2,
			Read: &bulkheadv1.ReadSpec{Readers: 2, SizeBytes: 8192, Verify: true,
				Of: bulkheadv1.ReadOf_READ_OF_NEIGHBOUR},
		}}})
		a.At(20 * time.Second)
		m := a.Progress(0, 60, 0, "")
		p := m.GetProgress()
		p.ReadWaitedNano = int64(3 * time.Second)
		if neighbours > 0 {
			p.Reads, p.ReadBytes, p.ReadVerifiedBytes, p.ReadGoneFiles = 2, 3e6, 3e6, 7
			p.ReadNeighbours, p.ReadNeighbourHosts = neighbours, neighbours-1
		}
		a.Say(m, a.Rollover(0, 0, false), a.Sample(0, 1))
		if neighbours == 3 {
			a.Say(a.Corruption(0, &bulkheadv1.Corruption{Path: "/mnt/their/load-00000001.dat", LengthBytes: 4096,
				Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE, Expected: "generation 2", Found: "generation 1",
				OwnerId: []byte{0xab, 15: 1}, OwnerName: "their", OwnerHost: "host-b"}))
		}
		stop := a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil)
		stop.GetStop().RuntimeReachedNano = int64(20 * time.Second)
		a.Say(stop)
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := folded.All(t, s.Records)
		host := r.Clients[0].Host
		var finding *report.Finding
		for i := range r.Findings {
			if r.Findings[i].Kind == report.FindingNeighbour {
				finding = &r.Findings[i]
			}
		}
		text, _ := rendered(t, r)
		switch neighbours {
		case 0:
			if r.Verdict.Word != report.WordPartial || finding == nil || finding.Severity != report.SeverityWarning {
				t.Errorf("without a neighbour the run is %s, with the finding %v", r.Verdict.Word, finding)
			}
			continue
		case 1:
			if r.Verdict.Word != report.WordComplete || finding == nil || finding.Severity != report.SeverityNote {
				t.Errorf("with a neighbour on the same host the run is %s %q, with the finding %v", r.Verdict.Word,
					r.Verdict.Reasons, finding)
			}
			continue
		}
		if finding != nil {
			t.Errorf("with neighbours on other hosts there is the finding %v", finding)
		}
		want := "files of 3 other clients on 2 other hosts, 7 files gone before the end, waited 3"
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
			t.Errorf("the text does not have %q:\n%s", want, text)
		}
		if o := r.Clients[0].Corruptions[0].Owner; o == nil || *o != (report.FileOwner{
			ID: "ab0000000000000000000000000000" + "01", Name: "their", Host: "host-b", ReaderHost: host}) {
			t.Errorf("the owner is %+v", o)
		}
		both := "written by client their on host host-b, read on host " + host
		junit := written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) })
		for name, out := range map[string][]byte{"text": text, "JUnit": junit} {
			if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), both) {
				t.Errorf("the %s does not have %q", name, both)
			}
		}
	}
}

// Files of other clients that were met in a stage that is not reported were met, although what was read
// of them is in no figure.
func TestNeighboursOfAStageThatIsNotReported(t *testing.T) {
	for _, met := range []uint32{0, 1, 2} {
		s := story.New(t, 1)
		steps := []story.Step{
			{Stage: &bulkheadv1.Stage{Name: "fill", DurationNano: int64(3e9), Unreported: true}, Seconds: 3},
			{Stage: &bulkheadv1.Stage{Name: "run", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 60},
		}
		s.Readers = 1
		a := s.ArriveStaged("alpha", 1, 0, steps)
		for _, c := range s.Hello(1).Workload.Consumers {
			c.Read.Of = bulkheadv1.ReadOf_READ_OF_NEIGHBOUR
		}
		a.At(time.Second)
		for i := range a.Consumers {
			p := a.Phased(i, 9, 0)
			p.Stage, p.Warmup, p.ReadNeighbours, p.ReadNeighbourHosts = 1, true, met, met/2
			p.Reads, p.ReadBytes = uint64(met), uint64(met)*1000
			a.SayProgress(i, p)
		}
		end := story.Stages(steps, 1, 0, a)
		for i := range a.Consumers {
			a.Say(a.Rollover(i, 0, false))
		}
		story.Leave(time.Duration(end)*time.Second, map[uint32]uint64{1: 1}, a)
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := folded.Once(t, s.Records)
		found := found(r, report.FindingNeighbour)
		if want := []int{1, 1, 0}[met]; len(found) != want ||
			met == 1 && !strings.Contains(found[0], "on its own host") {
			t.Errorf("%d neighbours: found %q", met, found)
		}
		why := strings.Join(append(r.Verdict.Reasons, r.Verdict.Warnings...), "\n")
		if strings.Contains(why, "read nothing") != (met == 0) ||
			strings.Contains(why, "only in what is not reported") != (met > 0) {
			t.Errorf("%d neighbours: %s", met, why)
		}
		if reads := r.Totals.Reads; met > 0 && (reads == nil || reads.Bytes > 0 || reads.Neighbours != met) {
			t.Errorf("%d neighbours: %+v", met, reads)
		}
	}
}
