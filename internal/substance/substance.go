// Package substance judges whether a load that ended in order was one: whether each of its
// consumers wrote, finished files, read what it was to read, and was watched. The
// client judges its own load by it, the report that of every client, so both say the same.
//
// It is pure. What somebody told already – a worker that crashed, a load that could not go
// on – is left to them.
package substance

import (
	"fmt"
	"strings"
	"time"

	"bulkhead/internal/human"
)

// End is what ended a load.
type End int

const (
	// Runtime is its runtime.
	Runtime End = iota
	// Early is another end that its workload names: its total, a steady state, its reserve.
	Early
	// Total is that all it was to write was written.
	Total
	// Cut is that an operator cut it short.
	Cut
)

// Load is a load that has ended.
type Load struct {
	End End
	// Runtime is how long it was to last, Reached how long it did, until its end began.
	Runtime, Reached time.Duration
	// TotalBytes were to end it; 0 is no limit.
	TotalBytes uint64
	// MonitorInterval is the time between two samples of each consumer; 0 if it was not to
	// be watched, or if that is not known.
	MonitorInterval time.Duration
	Consumers       []Consumer
}

// Consumer is what one consumer did.
type Consumer struct {
	Index uint32
	// Begin is when it was to begin, from the beginning of the load.
	Begin time.Duration
	// ChunkBytes is the largest chunk that it writes.
	ChunkBytes uint64
	// Bytes and Chunks were written, Files ended, Partial of them before their size.
	Bytes, Chunks, Files, Partial uint64
	// Verifies says that it was to read back what it wrote; VerifiedBytes it did.
	Verifies      bool
	VerifiedBytes uint64
	// Reads says that it has readers beside the writing; ReadBytes they read.
	Reads     bool
	ReadBytes uint64
	// Neighbours says that its readers read files of other clients and not its own, and Met that they had
	// some, be it in a part of the load that is in no figure.
	Neighbours, Met bool
	// Writing is how long it wrote, or tried to.
	Writing time.Duration
	// Samples is how often it was sampled.
	Samples uint64
	// Told says that its end says enough: it failed, crashed or never started.
	Told bool
}

const (
	// overrunShare is the part of the runtime, and overrunLeast the time, by which writing may
	// continue behind it without a word.
	overrunShare = 0.1
	overrunLeast = time.Second
	// monitorRounds is how many samples a consumer misses before it counts as not sampled.
	monitorRounds = 3
	// monitorLeast is how long a load lasts at least of which samples are missed.
	monitorLeast = 2 * time.Second
	// named is how many consumers are named one by one.
	named = 8
)

// Judge returns what is missing of the load, which therefore is not whole, and what is
// worth a word although nothing is missing. Each is a line without a period.
func Judge(l Load) (missing, notes []string) {
	lack := func(format string, args ...any) { missing = append(missing, fmt.Sprintf(format, args...)) }
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	var all sums
	for _, c := range l.Consumers {
		all.add(c)
	}
	// Who is faster writes the total: that the others came too late takes nothing from it.
	unlessTotal := lack
	if l.End == Total && all.bytes > 0 {
		unlessTotal = note
	}

	began := func(c Consumer) bool {
		return !c.Told && (c.Bytes > 0 || c.Begin < l.Reached || c.Begin == 0 && l.End != Cut)
	}
	if late := l.those(func(c Consumer) bool { return !c.Told && !began(c) && l.End != Cut }); late != nil {
		unlessTotal("%s never began: the load ended after %s, before %s turn came", text(late),
			human.BriefDuration(l.Reached), its(late))
	}
	if idle := l.those(func(c Consumer) bool { return began(c) && c.Bytes == 0 }); idle != nil {
		unlessTotal("%s wrote nothing", text(idle))
	}
	for _, c := range l.Consumers {
		if began(c) && c.Bytes > 0 && c.Chunks == 0 {
			lack("%s wrote less than one chunk: %d of %d B", text([]uint32{c.Index}), c.Bytes, c.ChunkBytes)
		}
	}
	unfinished := l.those(func(c Consumer) bool { return began(c) && c.Chunks > 0 && c.Files == c.Partial })
	switch {
	case unfinished == nil || l.End == Cut:
	case l.End == Total:
		note("%s finished no file before the total was written", text(unfinished))
	case all.files > 0 && all.files == all.partial:
		lack("no file was finished: %s partial; files must be smaller, or the runtime longer",
			count(all.files, "file is", "files are all"))
	default:
		lack("%s finished no file; files must be smaller, or the runtime longer", text(unfinished))
	}
	if blind := l.those(func(c Consumer) bool {
		return began(c) && c.Verifies && c.Bytes > 0 &&
			c.VerifiedBytes == 0
	}); blind != nil {
		lack("nothing that %s wrote was verified, although it should have been", text(blind))
	}
	if unread := l.those(func(c Consumer) bool {
		return began(c) && c.Reads && !c.Neighbours && c.Files > c.Partial && c.ReadBytes == 0
	}); unread != nil && l.End != Cut {
		unlessTotal("the readers of %s read nothing, although they should have", text(unread))
	}
	waited := func(met bool) []uint32 {
		return l.those(func(c Consumer) bool {
			return began(c) && c.Reads && c.Neighbours && c.ReadBytes == 0 && c.Met == met && l.End != Cut
		})
	}
	if alone := waited(false); alone != nil {
		lack("the readers of %s read nothing: they found no finished file of another client of the run below the "+
			"same path, one with read.of: neighbour", text(alone))
	}
	if early := waited(true); early != nil {
		note("the readers of %s found files of other clients only in what is not reported", text(early))
	}
	if unseen := l.those(func(c Consumer) bool { return began(c) && c.Samples == 0 && l.watched(c) }); unseen != nil {
		lack("the monitor took no sample of %s in %s", text(unseen), human.BriefDuration(l.Reached))
	}
	if l.End == Runtime && l.TotalBytes > 0 && all.bytes < l.TotalBytes {
		note("its runtime was over before its total was written: %d of %d B", all.bytes, l.TotalBytes)
	}
	if over := l.overrun(); l.End == Runtime &&
		over > max(overrunLeast, time.Duration(overrunShare*float64(l.Runtime))) {
		note("writing went on for %s behind the runtime of %s, to finish files in progress", human.BriefDuration(over),
			human.BriefDuration(l.Runtime))
	}
	return missing, notes
}

// sums is what all consumers did.
type sums struct{ bytes, files, partial uint64 }

func (s *sums) add(c Consumer) {
	s.bytes += c.Bytes
	s.files += c.Files
	s.partial += c.Partial
}

// those returns the consumers that are so; nil if none is.
func (l Load) those(are func(Consumer) bool) (list []uint32) {
	for _, c := range l.Consumers {
		if are(c) {
			list = append(list, c.Index)
		}
	}
	return list
}

// watched reports whether a consumer lived long enough for a sample.
func (l Load) watched(c Consumer) bool {
	return l.MonitorInterval > 0 && l.Reached >= max(monitorRounds*l.MonitorInterval, monitorLeast)
}

// overrun returns how long writing went on after the end began.
func (l Load) overrun() (most time.Duration) {
	if l.Reached == 0 {
		return 0
	}
	for _, c := range l.Consumers {
		if c.Writing > 0 {
			most = max(most, c.Begin+c.Writing-l.Reached)
		}
	}
	return most
}

// text names consumers.
func text(list []uint32) string {
	if len(list) == 1 {
		return fmt.Sprintf("consumer %d", list[0])
	}
	var parts []string
	for i, index := range list {
		if i == named-1 && len(list) > named {
			parts = append(parts, "…")
			break
		}
		if i == len(list)-1 {
			break
		}
		parts = append(parts, fmt.Sprint(index))
	}
	return fmt.Sprintf("consumers %s and %d", strings.Join(parts, ", "), list[len(list)-1])
}

func its(list []uint32) string {
	if len(list) == 1 {
		return "its"
	}
	return "their"
}

// count returns "1 ONE" or "N MANY".
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
