package value

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
)

// StageRate is what bounds the writing in a stage, or in each step of a curve: bytes and chunks per
// second, or percentages of what another stage reached. The zero value is no bound.
type StageRate struct {
	Bytes  Size
	Chunks float64
	// Percents are those of each step; one for a stage that is no curve.
	Percents []float64
	// Curve says that they are the steps of one.
	Curve bool
}

// ValidStageRate says what a StageRate can be, in words.
const ValidStageRate = "50%, 10%..110% in 10 steps, or {bytes: 10MiB} or {chunks: 100} or both"

// IsZero reports whether nothing is bounded.
func (r StageRate) IsZero() bool { return r.Bytes == 0 && r.Chunks == 0 && len(r.Percents) == 0 }

// ParseStageRate reads a rate in percent: "50%", or a curve, "10%..110% in 10 steps", which begins with
// the first of both and comes to the second in so many steps of the same size.
func ParseStageRate(text string) (StageRate, error) {
	levels, stepsText, curve := strings.Cut(text, " in ")
	if !curve {
		percent, err := parsePercent(text)
		return StageRate{Percents: []float64{percent}}, err
	}
	fromText, toText, ranged := strings.Cut(levels, "..")
	stepsText, counted := strings.CutSuffix(strings.TrimSpace(stepsText), " steps")
	if !ranged || !counted {
		return StageRate{}, notStageRate(text)
	}
	from, err := parsePercent(strings.TrimSpace(fromText))
	if err != nil {
		return StageRate{}, err
	}
	to, err := parsePercent(strings.TrimSpace(toText))
	if err != nil {
		return StageRate{}, err
	}
	steps, err := ParseCount(strings.TrimSpace(stepsText))
	switch {
	case err != nil || steps < 1 || steps >= protocol.MaxStages:
		return StageRate{}, fmt.Errorf("%s is no number of steps; use 1 to %d", Quote(stepsText), protocol.MaxStages-1)
	case from == to:
		return StageRate{}, errors.New("begins and ends with the same percentage; use two")
	}
	return StageRate{Percents: levelsOf(from, to, steps), Curve: true}, nil
}

// levelsOf returns the percentages of a curve with so many steps between them: the first, and one
// behind each step. They are rounded to what a person can read.
func levelsOf(from, to float64, steps int) []float64 {
	levels := make([]float64, steps+1)
	for i := range levels {
		exact := from + (to-from)*float64(i)/float64(steps)
		levels[i], _ = strconv.ParseFloat(strconv.FormatFloat(exact, 'f', 1, 64), 64)
	}
	return levels
}

func parsePercent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	percent, err := ParseAmount(number)
	switch {
	case !ok || err != nil:
		return 0, notStageRate(text)
	case percent < workload.LeastPercent || percent > workload.MaxPercent:
		return 0, fmt.Errorf("%s is out of range; use %s%% to %s%%", Quote(text),
			human.ExactNumber(workload.LeastPercent), human.ExactNumber(workload.MaxPercent))
	}
	return percent, nil
}

func notStageRate(text string) error {
	return fmt.Errorf("%s is not the rate of a stage; use %s", Quote(text), ValidStageRate)
}
