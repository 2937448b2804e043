package supervisor

// lifecycle decides when a run is over. It is pure: its owner feeds it what
// happens and asks.
type lifecycle struct {
	expected int // clients that must join
	joined   int // of these
	open     int // sessions without an outcome
	draining bool
}

// course is what a run should do now.
type course uint8

const (
	goOn   course = iota // clients are at work or still to come
	linger               // over, unless another client comes within the linger time
	finish               // over
)

func (l *lifecycle) sessionBegan() { l.open++ }
func (l *lifecycle) sessionEnded() { l.open-- }
func (l *lifecycle) drain()        { l.draining = true }

// course returns what the run should do now.
func (l *lifecycle) course() course {
	switch {
	case l.open > 0:
		return goOn
	case l.draining:
		return finish
	case l.joined >= l.expected:
		return linger
	default:
		return goOn
	}
}
