package compare

import (
	"fmt"
	"math"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Staged is a stage that one of the runs has, or both, by its name. What they wrote in it is not tested.
type Staged struct {
	Name string `json:"name"`
	// A and B are null for a run that does not have it, or in which nobody began it.
	A *StageSide `json:"a"`
	B *StageSide `json:"b"`
	// ChangePercent is from A's throughput to B's; 0 if either is none.
	ChangePercent float64 `json:"change_percent"`
	// Differs says that it is not the same stage, but of one name.
	Differs bool `json:"differs"`
}

// StageSide is a stage in one of the runs. A latency is 0 where there is none.
type StageSide struct {
	BytesPerSecond        uint64 `json:"bytes_per_second"`
	OfferedBytesPerSecond uint64 `json:"offered_bytes_per_second"`
	ChunkWriteP99Nano     int64  `json:"chunk_write_p99_nano"`
	ResponseP99Nano       int64  `json:"response_p99_nano"`
	// Knee says that it is the knee of its curve.
	Knee bool `json:"knee"`
}

// stagesOf returns the stages of two runs, those that A has first.
func stagesOf(a, b *report.Report) []Staged {
	list := []Staged{}
	add := func(name string) {
		x, y := a.StageNamed(name), b.StageNamed(name)
		s := Staged{Name: name, A: stageSide(a, x), B: stageSide(b, y)}
		if x != nil && y != nil {
			s.Differs = x.Told.Text != y.Told.Text
		}
		if s.A != nil && s.B != nil && s.A.BytesPerSecond > 0 && s.B.BytesPerSecond > 0 {
			change := float64(s.B.BytesPerSecond)/float64(s.A.BytesPerSecond) - 1
			s.ChangePercent = math.Round(1000*change) / 10
		}
		list = append(list, s)
	}
	for i := range a.Stages {
		add(a.Stages[i].Name)
	}
	for i := range b.Stages {
		if a.StageNamed(b.Stages[i].Name) == nil {
			add(b.Stages[i].Name)
		}
	}
	return list
}

func stageSide(r *report.Report, s *report.Stage) *StageSide {
	if s == nil || s.Clients == 0 {
		return nil
	}
	side := &StageSide{BytesPerSecond: s.BytesPerSecond, OfferedBytesPerSecond: s.OfferedBytesPerSecond,
		ChunkWriteP99Nano: s.ChunkWrite.P99Nano}
	if s.Response.Known() {
		side.ResponseP99Nano = s.Response.P99Nano
	}
	if s.Curve > 0 && s.Curve <= len(r.Curves) {
		side.Knee = r.Curves[s.Curve-1].Knee.Stage == s.Number
	}
	return side
}

// stageHead are the columns of Staged.cells; numbers begin with ">".
var stageHead = []string{"stage", ">A MB/s", ">B MB/s", ">change", ">A p99", ">B p99", ">A resp p99", ">B resp p99",
	"note"}

// cells returns a stage as a row.
func (s *Staged) cells() []string {
	row := []string{s.Name, human.None, human.None, "", "", "", "", "", ""}
	for i, side := range []*StageSide{s.A, s.B} {
		if side == nil {
			continue
		}
		row[1+i] = human.Megabytes(side.BytesPerSecond)
		row[4+i], row[6+i] = nanoUnlessZero(side.ChunkWriteP99Nano), nanoUnlessZero(side.ResponseP99Nano)
	}
	if s.A != nil && s.B != nil && s.A.BytesPerSecond > 0 && s.B.BytesPerSecond > 0 {
		row[3] = fmt.Sprintf("%+.1f %%", s.ChangePercent)
	}
	row[8] = s.note()
	return row
}

func (s *Staged) note() string {
	text := ""
	inA, inB := s.A != nil && s.A.Knee, s.B != nil && s.B.Knee
	switch {
	case inA && inB:
		text = "knee of both"
	case inA:
		text = "knee of A"
	case inB:
		text = "knee of B"
	}
	if s.Differs {
		if text != "" {
			text += ", "
		}
		text += "not the same stage"
	}
	return text
}

func nanoUnlessZero(nano int64) string {
	if nano == 0 {
		return ""
	}
	return human.Duration(nano)
}

// scheduleOf returns what the load of a client consists of.
func scheduleOf(c *report.Client) string { return human.OrDash(words.Schedule(&c.Workload)) }
