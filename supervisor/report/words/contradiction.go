package words

import "bulkhead/supervisor/report"

// Contradiction returns what a kind of contradiction is, in words.
func Contradiction(kind string) string {
	switch kind {
	case report.UnlikeChunks:
		return "Progress: chunks are not as many as their latencies"
	case report.UnlikeBytes:
		return "Progress: more bytes than the chunks can hold"
	case report.UnlikeFiles:
		return "Rollover: the files of a consumer hold more than it wrote"
	case report.UnlikeFile:
		return "Rollover: a file holds more than its chunks can"
	case report.Backwards:
		return "Progress: an interval ends before the one before it"
	case report.StrangeConsumer:
		return "a consumer that the workload does not have"
	case report.AfterStop:
		return "messages after Stop"
	case report.ExitMissing:
		return "Stop: no exit of a worker that had started"
	case report.ExitStrange:
		return "Stop: the exit in order of a worker that was never heard of"
	case report.ExitBefore:
		return "Stop: a worker ended before it had started"
	case report.BeatStrange:
		return "Heartbeat: an answer of a worker that never started"
	case report.EarlyStop:
		return "Stop: the runtime is over, but it had not passed"
	case report.WindowBroken:
		return "more batches on their way than max_unacked_batches"
	case report.StrangeStage:
		return "Progress or StageBegun: a stage that the workload does not have"
	case report.StageBackwards:
		return "Progress or StageBegun: a stage after a later one"
	case report.TwoProcesses:
		return "two processes with one client id"
	case report.OtherContent:
		return "a message sent again with other content"
	case report.PastGoodbye:
		return "messages after Goodbye"
	default:
		return kind
	}
}
