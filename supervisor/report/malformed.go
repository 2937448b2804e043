package report

// Bad is why a message is left out (Count.Reason). A message is judged as a whole: when one
// thing it says cannot be true, nothing it says is used.
type Bad string

const (
	BadBatch     Bad = "batch"     // does not decode
	BadSequence  Bad = "sequence"  // a batch without the messages it should hold
	BadTime      Bad = "time"      // cannot be
	BadProcess   Bad = "process"   // of no known kind
	BadCrowd     Bad = "crowd"     // more processes than a client can have
	BadFact      Bad = "fact"      // there is none
	BadNumber    Bad = "number"    // cannot be
	BadHistogram Bad = "histogram" // cannot be
	BadRound     Bad = "round"     // a heartbeat round that is not the next
	BadAnswer    Bad = "answer"    // one worker twice in a heartbeat round
	BadExit      Bad = "exit"      // cannot be
	BadLate      Bad = "late"      // after the Stop message
	// BadOther is of all that did not fit into the list.
	BadOther Bad = "other"
)
