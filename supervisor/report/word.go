package report

// Word is a verdict in one word.
type Word string

// The words, best first.
const (
	// WordComplete is of a run that ended in order with everything in the report.
	WordComplete Word = "COMPLETE"
	// WordInterrupted is of one that is otherwise whole, but was cut short by an operator:
	// itself, or the load of a client.
	WordInterrupted Word = "INTERRUPTED"
	// WordPartial is of one that lacks something, whatever else was done to it.
	WordPartial Word = "PARTIAL"
	// WordRunning is of one that continues.
	WordRunning Word = "RUNNING"
)

// Worse returns the worse of two words of runs that have ended.
func (w Word) Worse(o Word) Word {
	for _, worst := range []Word{WordPartial, WordInterrupted} {
		if w == worst || o == worst {
			return worst
		}
	}
	return WordComplete
}
