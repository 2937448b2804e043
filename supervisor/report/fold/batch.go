package fold

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// foldBatch folds the messages of one batch. An error speaks of the record: the
// supervisor put it into the wrong place. What is wrong inside the batch is the
// client's doing, and counted with the client.
//
// timed says that the record has the clock that is never set: only then its time and
// those of its messages say how late they were.
func (s *sessionState) foldBatch(e *bulkheadv1.SessionBatch, at report.Stamp, timed bool) error {
	s.recorded = at
	first, last := e.GetFirstSeq(), e.GetLastSeq()
	c := &s.client
	if first == 0 || last < first || last-first >= report.MaxBatchMessages {
		return fmt.Errorf("session %d: a batch cannot hold messages %d…%d", c.Session, first, last)
	}
	if first <= c.LastSeq {
		return fmt.Errorf("session %d: messages %d…%d come again, %d were there", c.Session, first, last, c.LastSeq)
	}
	var gap error
	if first != c.LastSeq+1 {
		gap = fmt.Errorf("session %d: messages %d…%d are missing", c.Session, c.LastSeq+1, first-1)
	}
	c.LastSeq = last
	c.Batches++
	if s.handler != nil {
		s.handler.DurableMessages += last - first + 1
	}

	batch := new(bulkheadv1.Batch)
	if err := proto.Unmarshal(e.GetBatch(), batch); err != nil {
		s.leaveOut(report.BadBatch, first, last-first+1, "")
		return gap
	}
	if !holds(batch.GetMessages(), first, last) {
		s.leaveOut(report.BadSequence, first, last-first+1, "")
		return gap
	}
	if timed {
		s.compareClocks(batch.GetMessages(), at)
	}
	for _, m := range batch.GetMessages() {
		s.shorter("", m.GetShortened())
		switch why := s.foldMessage(m); why {
		case "":
		case newFact:
			c.UnknownFacts++
			continue
		default:
			s.leaveOut(why, m.GetSeq(), 1, factWords(m))
			continue
		}
		c.Messages++
	}
	return gap
}

// holds reports whether messages are exactly first … last.
func holds(messages []*bulkheadv1.Message, first, last uint64) bool {
	if uint64(len(messages)) != last-first+1 {
		return false
	}
	for i, m := range messages {
		if m.GetSeq() != first+uint64(i) {
			return false
		}
	}
	return true
}

// shorter counts the fields that hold less than there was to say.
func (s *sessionState) shorter(at string, fields []string) {
	for _, f := range fields[:min(len(fields), protocol.MaxShortened)] {
		s.shortened.Add(plaintext.Line(at+f, plaintext.MaxName))
	}
}

// foldMessage folds one message. It returns why the message was left out, or "".
func (s *sessionState) foldMessage(m *bulkheadv1.Message) report.Bad {
	if !saneTime(m.GetTimeUnixNano()) {
		return report.BadTime
	}
	if s.client.StoppedAt != 0 {
		return report.BadLate
	}
	complaint := s.clock.complaint
	at := s.clock.message(m, s.recorded)
	why := s.foldFact(m, at)
	if why != "" {
		s.clock.complaint = complaint
	}
	s.tighten()
	if why == "" {
		s.client.LastMessageAt = at
	}
	return why
}

func (s *sessionState) foldFact(m *bulkheadv1.Message, at report.Stamp) report.Bad {
	switch fact := m.GetFact().(type) {
	case *bulkheadv1.Message_Start:
		return s.foldStart(m.GetProcess(), fact.Start, at)
	case *bulkheadv1.Message_Stop:
		return s.foldStop(fact.Stop, at)
	case *bulkheadv1.Message_Heartbeat:
		return s.foldHeartbeat(fact.Heartbeat, at)
	case *bulkheadv1.Message_Rollover:
		return s.foldRollover(m.GetProcess(), fact.Rollover, at)
	case *bulkheadv1.Message_Monitor:
		return s.foldMonitor(m.GetProcess(), fact.Monitor, at)
	case *bulkheadv1.Message_MonitorError:
		return s.foldMonitorError(m.GetProcess(), fact.MonitorError)
	case *bulkheadv1.Message_Progress:
		return s.foldProgress(m.GetProcess(), fact.Progress, at)
	case *bulkheadv1.Message_Corruption:
		return s.foldCorruption(m.GetProcess(), fact.Corruption, at)
	case *bulkheadv1.Message_Machine:
		return s.foldMachine(m.GetProcess(), fact.Machine, at)
	case *bulkheadv1.Message_Ready:
		return ""
	case *bulkheadv1.Message_Begun:
		return s.foldBegun(m, at)
	case *bulkheadv1.Message_StageBegun:
		return s.foldStageBegun(m, fact.StageBegun, at)
	case *bulkheadv1.Message_StageReady:
		s.stageReady = max(s.stageReady, fact.StageReady.GetStage())
		return ""
	default:
		if isNewer(m) {
			return newFact
		}
		return report.BadFact
	}
}

// leaveOut counts messages that are not used. first is the number of the first, and about what
// it was, "" if that is unknown.
func (s *sessionState) leaveOut(why report.Bad, first, messages uint64, about string) {
	if s.client.Malformed == 0 {
		s.client.MalformedFirst = fmt.Sprintf("message %s%s: %s", human.Count(first), about, words.LeftOut(why))
	}
	s.client.Malformed += messages
	s.malformed.AddN(why, messages)
}

// factWords returns what a message is, and about whom, to be put behind its number.
func factWords(m *bulkheadv1.Message) string {
	r := m.ProtoReflect()
	fact := r.WhichOneof(r.Descriptor().Oneofs().ByName("fact"))
	if fact == nil {
		return ""
	}
	text := ", a " + string(fact.Message().Name())
	if m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER {
		text += fmt.Sprintf(" of consumer %d", m.GetProcess().GetIndex())
	}
	return text
}

// saneTime reports whether t can be the wall clock of a client.
func saneTime(t int64) bool { return t > 0 && t <= report.MaxTime }

// saneDurations reports whether every d can be a measured duration.
func saneDurations(list ...int64) bool {
	for _, d := range list {
		if d < 0 || d > report.MaxDuration {
			return false
		}
	}
	return true
}

// saneAmounts reports whether every n can be a measured amount.
func saneAmounts(list ...uint64) bool {
	for _, n := range list {
		if n > report.MaxAmount {
			return false
		}
	}
	return true
}
