package value_test

import (
	"slices"
	"testing"

	"bulkhead/internal/config/value"
)

func TestStageRate(t *testing.T) {
	const use = "; use " + value.ValidStageRate
	for text, want := range map[string]struct {
		percents []float64
		curve    bool
		problem  string
	}{
		"50%":   {percents: []float64{50}},
		"0.1%":  {percents: []float64{0.1}},
		"1000%": {percents: []float64{1000}},
		"10%..110% in 10 steps": {curve: true,
			percents: []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110}},
		"100% .. 50% in 2 steps": {curve: true, percents: []float64{100, 75, 50}},
		"10%..20% in 3 steps":    {curve: true, percents: []float64{10, 13.3, 16.7, 20}},
		"1%..2% in 1 steps":      {curve: true, percents: []float64{1, 2}},
		"":                       {problem: `"" is not the rate of a stage` + use},
		"50":                     {problem: `"50" is not the rate of a stage` + use},
		"10MiB":                  {problem: `"10MiB" is not the rate of a stage` + use},
		"0%":                     {problem: `"0%" is out of range; use 0.1% to 1000%`},
		"1001%":                  {problem: `"1001%" is out of range; use 0.1% to 1000%`},
		"-5%":                    {problem: `"-5%" is not the rate of a stage` + use},
		"10%..110%":              {problem: `"10%..110%" is not the rate of a stage` + use},
		"10% in 10 steps":        {problem: `"10% in 10 steps" is not the rate of a stage` + use},
		"10%..110% in 10":        {problem: `"10%..110% in 10" is not the rate of a stage` + use},
		"10..110% in 10 steps":   {problem: `"10" is not the rate of a stage` + use},
		"10%..110% in 0 steps":   {problem: `"0" is no number of steps; use 1 to 63`},
		"10%..110% in 64 steps":  {problem: `"64" is no number of steps; use 1 to 63`},
		"10%..110% in ten steps": {problem: `"ten" is no number of steps; use 1 to 63`},
		"50%..50% in 2 steps":    {problem: "begins and ends with the same percentage; use two"},
	} {
		got, err := value.ParseStageRate(text)
		problem := ""
		if err != nil {
			problem = err.Error()
		} else if !slices.Equal(got.Percents, want.percents) || got.Curve != want.curve || got.IsZero() {
			t.Errorf("%q is %+v; want %v", text, got, want.percents)
		}
		if problem != want.problem {
			t.Errorf("%q: %q; want %q", text, problem, want.problem)
		}
	}
}
