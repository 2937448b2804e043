package folded

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// IsText says of each field of a record that is a string whether it is a text for people: a
// cause, a reason, a detail. All others are names, ids, paths and versions.
var IsText = map[protoreflect.FullName]bool{
	"bulkhead.v1.RunStarted.run_id":         false,
	"bulkhead.v1.RunStarted.version":        false,
	"bulkhead.v1.RunStarted.go_version":     false,
	"bulkhead.v1.RunStarted.listen":         false,
	"bulkhead.v1.RunStarted.journal_sync":   false,
	"bulkhead.v1.RunStarted.boot_id":        false,
	"bulkhead.v1.RunStarted.expected_names": false,

	"bulkhead.v1.Settings.journal_sync": false,
	"bulkhead.v1.Certificate.name":      false,
	"bulkhead.v1.Identity.name":         false,
	"bulkhead.v1.SandboxGap.reason":     true,
	"bulkhead.v1.Host.name":             false,
	"bulkhead.v1.Host.os":               false,
	"bulkhead.v1.Host.arch":             false,
	"bulkhead.v1.Host.kernel":           false,

	"bulkhead.v1.SessionOpened.session_id": false,
	"bulkhead.v1.Hello.name":               false,
	"bulkhead.v1.Hello.host":               false,
	"bulkhead.v1.Hello.LabelsEntry.key":    false,
	"bulkhead.v1.Hello.LabelsEntry.value":  false,
	"bulkhead.v1.Hello.token":              false,
	"bulkhead.v1.Hello.client_version":     false,
	"bulkhead.v1.Hello.last_end":           true,
	"bulkhead.v1.Hello.run_id":             false,
	"bulkhead.v1.Hello.shortened":          false,
	"bulkhead.v1.Continuation.run_id":      false,
	"bulkhead.v1.ConsumerSpec.path":        false,
	"bulkhead.v1.Stage.name":               false,
	"bulkhead.v1.Agent.name":               false,
	"bulkhead.v1.Allowance.path":           false,

	"bulkhead.v1.SupervisorJoined.listen":  false,
	"bulkhead.v1.SupervisorJoined.version": false,
	"bulkhead.v1.JournalUnproven.problems": true,

	"bulkhead.v1.SessionAttached.peer":     false,
	"bulkhead.v1.SessionAttached.last_end": true,
	"bulkhead.v1.SessionDetached.cause":    true,
	"bulkhead.v1.SessionEnded.cause":       true,
	// A name in the run's folder.
	"bulkhead.v1.SessionEnded.quarantine_file": false,

	"bulkhead.v1.Contradiction.peer": false,
	"bulkhead.v1.Contradiction.text": true,
	"bulkhead.v1.Contradiction.host": false,

	"bulkhead.v1.HandlerExited.peer": false,
	"bulkhead.v1.HandlerExited.end":  true,
	"bulkhead.v1.ProcessExit.cause":  true,

	"bulkhead.v1.ConnectionRejected.peer":        false,
	"bulkhead.v1.ConnectionRejected.reason":      true,
	"bulkhead.v1.ConnectionRejected.client_name": false,
	"bulkhead.v1.ConnectionRejected.client_host": false,

	"bulkhead.v1.SupervisorRestarted.version":        false,
	"bulkhead.v1.SupervisorRestarted.go_version":     false,
	"bulkhead.v1.SupervisorRestarted.listen":         false,
	"bulkhead.v1.SupervisorRestarted.torn":           true,
	"bulkhead.v1.SupervisorRestarted.boot_id":        false,
	"bulkhead.v1.SupervisorRestarted.expected_names": false,

	"bulkhead.v1.ConnectionsShed.reason": true,
	"bulkhead.v1.DrainStarted.reason":    true,
	"bulkhead.v1.SessionDrained.reason":  true,
	"bulkhead.v1.RunEnded.detail":        true,

	"bulkhead.v1.Message.shortened":     false,
	"bulkhead.v1.Stop.detail":           true,
	"bulkhead.v1.HeartbeatMiss.reason":  true,
	"bulkhead.v1.MonitorError.reason":   true,
	"bulkhead.v1.Rollover.path":         false,
	"bulkhead.v1.Progress.last_error":   true,
	"bulkhead.v1.Corruption.path":       false,
	"bulkhead.v1.Corruption.expected":   true,
	"bulkhead.v1.Corruption.found":      true,
	"bulkhead.v1.Corruption.owner_name": false,
	"bulkhead.v1.Corruption.owner_host": false,

	"bulkhead.v1.FileSystem.path":       false,
	"bulkhead.v1.FileSystem.type":       false,
	"bulkhead.v1.FileSystem.source":     false,
	"bulkhead.v1.DeviceName.name":       false,
	"bulkhead.v1.Device.name":           false,
	"bulkhead.v1.Device.title":          false,
	"bulkhead.v1.ProcessorLimit.group":  false,
	"bulkhead.v1.NetworkInterface.name": false,
	"bulkhead.v1.MachineGap.about":      false,

	"bulkhead.v1.GatherMissing.name":          false,
	"bulkhead.v1.StageGathered.stage":         false,
	"bulkhead.v1.JobStarted.name":             false,
	"bulkhead.v1.JobStarted.text":             false,
	"bulkhead.v1.JobClient.agent":             false,
	"bulkhead.v1.JobClient.client":            false,
	"bulkhead.v1.RatePart.client":             false,
	"bulkhead.v1.JobStarted.job_id":           false,
	"bulkhead.v1.RunStarted.assertions":       false,
	"bulkhead.v1.AssertionBreached.assertion": false,
	"bulkhead.v1.AssertionBreached.value":     true,
}

// Reworded returns records in which every text for people is another one, which begins with
// lead: texts that were alike, or none, are so still, and their order is the same. It
// returns nil if the records cannot be encoded again.
func Reworded(records []*bulkheadv1.Record, lead string) []*bulkheadv1.Record {
	var found []string
	if each(records, func(text string) string { found = append(found, text); return text }) == nil {
		return nil
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return each(records, func(text string) string {
		rank, _ := slices.BinarySearch(found, text)
		return fmt.Sprintf("%s%06d", lead, rank)
	})
}

// each returns copies of records in which every text that is not empty is what say makes of it.
func each(records []*bulkheadv1.Record, say func(string) string) []*bulkheadv1.Record {
	list := make([]*bulkheadv1.Record, 0, len(records))
	for _, r := range records {
		r = proto.CloneOf(r)
		reword(r.ProtoReflect(), say)
		if b := r.GetSessionBatch(); b != nil {
			batch := new(bulkheadv1.Batch)
			if proto.Unmarshal(b.GetBatch(), batch) == nil { // else it is left out, whatever it says
				reword(batch.ProtoReflect(), say)
				encoded, err := proto.Marshal(batch)
				if err != nil {
					return nil
				}
				b.Batch = encoded
			}
		}
		list = append(list, r)
	}
	return list
}

// reword replaces the texts in m and below.
func reword(m protoreflect.Message, say func(string) string) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
		case field.IsList() && field.Message() != nil:
			for i := range v.List().Len() {
				reword(v.List().Get(i).Message(), say)
			}
		case field.IsList():
		case field.Message() != nil:
			reword(v.Message(), say)
		case IsText[field.FullName()]:
			m.Set(field, protoreflect.ValueOfString(say(v.String())))
		}
		return true
	})
}
