package words

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Adopted returns how many handlers the next supervisor adopted.
func Adopted(r *report.Restart) string {
	all := uint64(r.HandlersKept) + uint64(r.HandlersGone)
	if all == 0 {
		return "there was no handler to adopt"
	}
	verb := "were"
	if r.HandlersKept == 1 || all == 1 {
		verb = "was"
	}
	return fmt.Sprintf("%d of %s %s adopted", r.HandlersKept, Plural(all, "handler"), verb)
}

// restart is the end of what is to be done about a journal that cannot be written.
const restart = "start the supervisor again on the same state directory: the run continues"

// Remedy returns what to do about a journal that cannot be written for a failure, as
// report.Run.Failure has it.
func Remedy(failure string) string {
	if failure == report.FailureFullDisk {
		return "free space in the state directory and " + restart
	}
	return "once that is fixed, " + restart
}

// Supervisor returns who took part in a run that several supervisors may share, from when to when.
func Supervisor(run *report.Run, s *report.Supervisor) string {
	text := fmt.Sprintf("supervisor %d, bulkhead %s, pid %d on %s, listening on %s, from %s (%s) on", s.Number,
		human.OrDash(s.Version), s.Pid, human.OrDash(s.Host.Name), human.OrDash(s.Listen),
		TimeOfDay(run.StartedAt, s.JoinedAt), Offset(run.StartedAt, s.JoinedAt))
	if s.Before != 0 {
		text += fmt.Sprintf("; it was supervisor %d before it was started again", s.Before)
	}
	text += "; " + Plural(s.Connections, "connection")
	if s.TakenOver > 0 {
		text += fmt.Sprintf(", %s of sessions that another had", human.Count(s.TakenOver))
	}
	if s.LeftAt != 0 {
		how, others := left(s)
		text += fmt.Sprintf("; it %s at %s (%s)%s", how, TimeOfDay(run.StartedAt, s.LeftAt),
			Offset(run.StartedAt, s.LeftAt), others)
	}
	return text
}

// SupervisorLeft returns how a supervisor left its run.
func SupervisorLeft(s *report.Supervisor) string {
	how, others := left(s)
	return fmt.Sprintf("supervisor %d %s%s", s.Number, how, others)
}

// left returns how a supervisor left, and what became of its sessions.
func left(s *report.Supervisor) (how, others string) {
	how = "left"
	switch s.Left {
	case report.LeftAsked:
		how = "left in order"
	case report.LeftSilent:
		how = "was not heard any more"
	}
	if s.LeftBy != 0 && s.LeftBy != s.Number && s.LeftSessions > 0 {
		others = fmt.Sprintf("; %s went on at supervisor %d", Plural(uint64(s.LeftSessions), "session"), s.LeftBy)
	}
	return how, others
}
