package story

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/latency"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// RunStart is when every story begins, on the supervisor's clock.
var RunStart = time.Date(2026, 3, 2, 14, 2, 10, 120_000_000, time.UTC)

const (
	Mib = 1 << 20

	kindClient   = bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT
	KindConsumer = bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER
	KindMonitor  = bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR
)

// Story writes down the records of a run.
type Story struct {
	T       testing.TB
	After   time.Duration // since runStart
	Records []*bulkheadv1.Record
	each    uint32 // how many consumers a client has that arrives
	Readers uint32 // how many readers each of them has
}

// New begins a run that expects clients.
func New(t testing.TB, clients uint32) *Story {
	s := &Story{T: t, each: 2}
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{
		RunId: "20260302T140210Z-7f3a91", Version: "0.1.0", GoVersion: "go1.26.8", Listen: "127.0.0.1:7420",
		Host: &bulkheadv1.Host{Name: "collector1", Os: "linux", Arch: "amd64", Kernel: "6.8.0-45-generic",
			Cpus: 16, MemoryBytes: 67_400_000_000},
		ExpectedClients: clients, LingerNano: int64(2 * time.Second), SessionGraceNano: int64(30 * time.Second),
		JournalSync: "batch", Pid: 4700, RecordMinor: protocol.RecordMinor,
	}}})
	return s
}

// At moves the supervisor's clock to after since the run's start.
func (s *Story) At(after time.Duration) *Story {
	s.After = after
	return s
}

func (s *Story) Add(r *bulkheadv1.Record) {
	r.TimeUnixNano = RunStart.Add(s.After).UnixNano()
	s.Records = append(s.Records, r)
}

func (s *Story) Rejected(connection uint64, pid int32, peer, name, reason string) {
	s.Add(
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionRejected{
			ConnectionRejected: &bulkheadv1.ConnectionRejected{
				ConnectionId: connection, Peer: peer, HandlerPid: pid, Reason: reason, ClientName: name,
			}}})
}

// HandlerExited ends handler pid, which served connection for life.
func (s *Story) HandlerExited(connection uint64, session uint32, pid int32, life time.Duration,
	exit *bulkheadv1.ProcessExit, end string) {
	exit.Process = &bulkheadv1.Process{Pid: pid}
	exit.EndedUnixNano = RunStart.Add(s.After).UnixNano()
	exit.StartedUnixNano = RunStart.Add(s.After - life).UnixNano()
	exit.UserCpuNano, exit.SystemCpuNano = int64(life/100), int64(life/250)
	exit.MaxResidentBytes = 9_400_000 + uint64(pid)
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: &bulkheadv1.HandlerExited{
		ConnectionId: connection, Session: session, Exit: exit, Peer: peerOf(connection),
		ReceivedBytes: uint64(life / 5000), Messages: uint64(life / time.Second), End: end,
	}}})
}

// Restarted adds another supervisor that resumes the run.
func (s *Story) Restarted(kind bulkheadv1.RestartKind, more *bulkheadv1.SupervisorRestarted) {
	more.Kind, more.RecordMinor = kind, protocol.RecordMinor
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: more}})
}

// Shed refuses count connections, the first of them a while ago.
func (s *Story) Shed(count uint64, reason string, ago time.Duration) {
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{ConnectionsShed: &bulkheadv1.ConnectionsShed{
		Count: count, Reason: reason, SinceUnixNano: RunStart.Add(s.After - ago).UnixNano(),
	}}})
}

func (s *Story) Ended(reason bulkheadv1.RunEnd, detail string) {
	s.Add(
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{
			RunEnded: &bulkheadv1.RunEnded{Reason: reason, Detail: detail}}})
}

func peerOf(connection uint64) string { return fmt.Sprintf("127.0.0.1:%d", 50000+connection&(1<<40-1)) }

func CleanExit() *bulkheadv1.ProcessExit {
	return &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CLEAN, Cause: "exit status 0"}
}

func KilledExit() *bulkheadv1.ProcessExit {
	return &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, Signal: 9, Cause: "killed by SIGKILL"}
}

// Actor is one client of a story. Its clock is ahead of the supervisor's.
type Actor struct {
	*Story
	Session   uint32
	processes uint32 // the session whose processes it has
	name      string
	ahead     time.Duration
	Consumers uint32
	chunk     uint64
	file      uint64
	Seq       uint64
	random    *rand.Rand
	begun     time.Duration
}

// Arrive opens a session on connection, through handler pid.
func (s *Story) Arrive(name string, session uint32, connection uint64, pid int32, ahead time.Duration) *Actor {
	a := &Actor{Story: s, Session: session, processes: session, name: name,
		ahead: ahead, Consumers: s.each, chunk: Mib, file: 64 * Mib,
		random: rand.New(rand.NewPCG(uint64(session), 7)), begun: s.After}
	id := make([]byte, 16)
	for i := range id {
		id[i] = byte(session*16) + byte(i)
	}
	id[0] ^= byte(session >> 4) // with more than 15 clients
	specs := make([]*bulkheadv1.ConsumerSpec, a.Consumers)
	for i := range specs {
		specs[i] = a.spec(uint32(i))
	}
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
		Session: session, SessionId: fmt.Sprintf("s-%08x", session*0x1234567), Hello: &bulkheadv1.Hello{
			ProtocolVersion: protocol.Version, ProtocolMinor: protocol.Minor, ClientId: id, Name: name,
			Host: name + ".lab", ClientVersion: "0.1.0", Pid: a.Pid(kindClient, 0),
			Labels: map[string]string{"rack": fmt.Sprint(session), "disk": "nvme"}, WallClockUnixNano: a.Clock(),
			Workload: &bulkheadv1.Workload{
				RuntimeNano: int64(20 * time.Second), HeartbeatIntervalNano: int64(2 * time.Second),
				HeartbeatTimeoutNano: int64(time.Second), MonitorIntervalNano: int64(time.Second),
				ProgressIntervalNano: int64(time.Second), Consumers: specs,
			},
		},
	}}})
	a.Attach(connection, pid)
	return a
}

// At moves the supervisor's clock, and with it the client's.
func (a *Actor) At(after time.Duration) *Actor {
	a.Story.At(after)
	return a
}

// Clock returns the client's wall clock.
func (a *Actor) Clock() int64 { return RunStart.Add(a.After + a.ahead).UnixNano() }

func (a *Actor) Pid(kind bulkheadv1.ProcessKind, index uint32) int32 {
	return int32(5000 + 100*a.processes + 10*uint32(kind) + index)
}

// Of lets the processes of the client be those of another session of it.
func (a *Actor) Of(first *Actor) { a.processes = first.processes }

func (a *Actor) Process(kind bulkheadv1.ProcessKind, index uint32) *bulkheadv1.Process {
	return &bulkheadv1.Process{Kind: kind, Index: index, Pid: a.Pid(kind, index)}
}

func (a *Actor) spec(index uint32) *bulkheadv1.ConsumerSpec {
	spec := &bulkheadv1.ConsumerSpec{Index: index,
		Path:           fmt.Sprintf("/mnt/data/bulkhead-%s/consumer-%d", a.name, index),
		ChunkSizeBytes: a.chunk, FileSizeBytes: a.file, KeepFiles: 2, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_FILE}
	if a.Readers > 0 {
		spec.Read = &bulkheadv1.ReadSpec{Readers: a.Readers, SizeBytes: a.chunk}
	}
	return spec
}

func (a *Actor) Attach(connection uint64, pid int32) {
	a.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: a.Session, ConnectionId: connection, HandlerPid: pid, Peer: peerOf(connection),
		ResumeAfter: a.Seq, ClientWallClockUnixNano: a.Clock(),
	}}})
}

// DetachAs does what Detach does, with what the supervisor's side saw.
func (a *Actor) DetachAs(class bulkheadv1.DetachClass, connection uint64, cause string) {
	a.Detach(connection, cause)
	a.Records[len(a.Records)-1].GetSessionDetached().Class = class
}

// AttachAfter does what Attach does, for a client that says why it was away.
func (a *Actor) AttachAfter(said bulkheadv1.Absence, starved time.Duration, end string, connection uint64, pid int32) {
	a.Attach(connection, pid)
	e := a.Records[len(a.Records)-1].GetSessionAttached()
	e.Absence, e.StarvedNano, e.LastEnd = said, int64(starved), end
}

func (a *Actor) Detach(connection uint64, cause string) {
	a.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: a.Session, ConnectionId: connection, Cause: cause,
	}}})
}

func (a *Actor) End(outcome bulkheadv1.Outcome, cause string) {
	a.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
		Session: a.Session, Outcome: outcome, Cause: cause, LastSeq: a.Seq,
	}}})
}

// Say puts messages into one batch, numbered and timed.
func (a *Actor) Say(messages ...*bulkheadv1.Message) {
	first := a.Seq + 1
	for _, m := range messages {
		a.Seq++
		m.Seq = a.Seq
		if m.TimeUnixNano == 0 {
			m.TimeUnixNano = a.Clock()
		}
	}
	encoded, err := proto.Marshal(&bulkheadv1.Batch{Messages: messages})
	if err != nil {
		a.T.Fatal(err)
	}
	a.SayBytes(first, a.Seq, encoded)
}

// SayBytes puts any bytes where a batch should be.
func (a *Actor) SayBytes(first, last uint64, encoded []byte) {
	a.Seq = last
	a.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: a.Session, FirstSeq: first, LastSeq: last, Batch: encoded,
	}}})
}

// Start adds the Start messages of all processes of the client.
func (a *Actor) Start() {
	list := []*bulkheadv1.Message{
		{Process: a.Process(kindClient, 0), Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}}}
	for i := range a.Consumers {
		list = append(list, &bulkheadv1.Message{Process: a.Process(KindConsumer, i),
			TimeUnixNano: a.Clock() + int64(i+4)*1_100_000,
			Fact:         &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{Consumer: a.spec(i)}}})
	}
	list = append(list, &bulkheadv1.Message{Process: a.Process(KindMonitor, 0), TimeUnixNano: a.Clock() + 9_300_000,
		Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}})
	a.Say(list...)
}

// second returns what every worker says once a second of steady writing: consumer i
// writes 4·(i+1) files of 64 MiB in 20 s.
func (a *Actor) second(n int) []*bulkheadv1.Message {
	var list []*bulkheadv1.Message
	for i := range a.Consumers {
		chunks := uint64(13 * (i + 1))
		list = append(list, a.Progress(i, chunks, 0, ""), a.Sample(i, n))
		if n%5 == 0 {
			for k := range uint64(i + 1) {
				list = append(list, a.Rollover(i, uint64(n/5-1)*uint64(i+1)+k, false))
			}
		}
	}
	return list
}

func (a *Actor) Progress(index uint32, chunks, errors uint64, text string) *bulkheadv1.Message {
	var h latency.Histogram
	for range chunks {
		h.Add(time.Duration(300_000+a.random.IntN(90_000)), 1)
		if a.random.IntN(50) == 0 {
			h.Add(time.Duration(2_000_000+a.random.IntN(40_000_000)), 1)
			chunks++
		}
	}
	return &bulkheadv1.Message{Process: a.Process(KindConsumer, index),
		Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
			IntervalNano: int64(time.Second), Bytes: h.Count() * a.chunk, Chunks: h.Count(), Errors: errors,
			LastError:  text,
			ChunkWrite: h.Proto(),
		}}}
}

func (a *Actor) Rollover(index uint32, file uint64, partial bool) *bulkheadv1.Message {
	size := a.file
	if partial {
		size = a.chunk // no more than it has written beside its whole files
	}
	return &bulkheadv1.Message{Process: a.Process(KindConsumer, index),
		Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{
			Path: fmt.Sprintf("%s/%08d.dat", a.spec(index).Path, file), FileIndex: file, SizeBytes: size,
			ChunkSizeBytes: a.chunk,
			Chunks:         size / a.chunk, FirstWriteUnixNano: a.Clock() - int64(5*time.Second),
			CreateNano: int64(80_000 + a.random.IntN(50_000)),
			WriteNano:  int64(20_000_000 + a.random.IntN(4_000_000)),
			SyncNano:   int64(31_000_000 + a.random.IntN(9_000_000)),
			CloseNano:  int64(9000 + a.random.IntN(4000)), Verification: bulkheadv1.Verification_VERIFICATION_OFF,
			Partial: partial,
		}}}
}

func (a *Actor) Sample(index uint32, n int) *bulkheadv1.Message {
	return &bulkheadv1.Message{Process: a.Process(KindConsumer, index),
		Fact: &bulkheadv1.Message_Monitor{Monitor: &bulkheadv1.Monitor{
			UserCpuNano: int64(n) * 20_000_000, SystemCpuNano: int64(n)*150_000_000 + int64(n%3)*10_000_000,
			ResidentBytes: 21_000_000 + uint64(n)*4096, Threads: 9, Fds: 11,
			WrittenBytes: uint64(n) * 13 * uint64(index+1) * a.chunk,
			StorageBytes: uint64(n) * 12 * uint64(index+1) * a.chunk, ElapsedNano: int64(n) * int64(time.Second),
		}}}
}

// Heartbeat returns a round that everybody answered in time, but for those in misses.
func (a *Actor) Heartbeat(round uint64, misses ...*bulkheadv1.HeartbeatMiss) *bulkheadv1.Message {
	h := &bulkheadv1.Heartbeat{Round: round, StartedUnixNano: a.Clock(), TimeoutNano: int64(time.Second),
		Misses: misses}
	missed := make(map[int32]bool)
	for _, m := range misses {
		missed[m.GetProcess().GetPid()] = true
	}
	for i := range a.Consumers + 1 {
		p := a.Process(KindMonitor, 0)
		if i < a.Consumers {
			p = a.Process(KindConsumer, i)
		}
		if !missed[p.GetPid()] {
			h.Answers = append(h.Answers, &bulkheadv1.HeartbeatAnswer{Process: p,
				LatencyNano: int64(210_000 + a.random.IntN(400_000)),
				State:       bulkheadv1.WorkerState_WORKER_STATE_WORKING})
		}
	}
	return &bulkheadv1.Message{Process: a.Process(kindClient, 0), Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: h}}
}

// Stop returns the last message. Workers named in exits ended like that, the others in
// order.
func (a *Actor) Stop(reason bulkheadv1.StopReason, detail string,
	exits map[int32]*bulkheadv1.ProcessExit) *bulkheadv1.Message {
	stop := &bulkheadv1.Stop{Reason: reason, Detail: detail}
	for i := range a.Consumers + 1 {
		p := a.Process(KindMonitor, 0)
		if i < a.Consumers {
			p = a.Process(KindConsumer, i)
		}
		e := exits[p.GetPid()]
		if e == nil {
			e = CleanExit()
		}
		e.Process = p
		e.StartedUnixNano = RunStart.Add(a.begun + a.ahead).UnixNano()
		if e.EndedUnixNano == 0 {
			e.EndedUnixNano = a.Clock()
		}
		e.UserCpuNano, e.SystemCpuNano, e.MaxResidentBytes = 410_000_000, 3_120_000_000, 21_300_000
		stop.Exits = append(stop.Exits, e)
	}
	return &bulkheadv1.Message{Process: a.Process(kindClient, 0), Fact: &bulkheadv1.Message_Stop{Stop: stop}}
}

// Idle returns a run that waits for its first client, has two of them at work for 20 s, which
// come 7 s after each other, and then waits for a third one that never comes.
func Idle(t testing.TB, before, after time.Duration) []*bulkheadv1.Record {
	s := New(t, 3)
	s.At(before/2).Rejected(9, 4009, "127.0.0.1:50009", "stray", "wrong token")
	a := s.At(before).Arrive("a", 1, 1, 4001, time.Hour)
	a.Start()
	load(before, 1, 7, a)
	b := s.At(before+7*time.Second).Arrive("b", 2, 2, 4002, -time.Hour)
	b.Start()
	load(before, 8, 20, a, b)
	Leave(before+20*time.Second, map[uint32]uint64{1: 1, 2: 2}, a, b)
	s.At(before+20*time.Second+after).Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "")
	return s.Records
}

// load lets clients write from second from to second to after since the start of the run.
func load(since time.Duration, from, to int, actors ...*Actor) {
	for n := from; n <= to; n++ {
		for _, a := range actors {
			a.At(since + time.Duration(n)*time.Second)
			a.Say(append(a.second(n), a.Heartbeat(uint64(n)))...)
		}
	}
}

// Shortened adds a client that stopped for a reason after 6 of 20 s, and closed.
func Shortened(s *Story, name string, n uint32, reason bulkheadv1.StopReason, detail string) {
	a := s.Arrive(name, n, uint64(n), 4000+int32(n), 0)
	a.Start()
	a.At(s.After+6*time.Second).Worked(0, 1)
	stop := a.Stop(reason, detail, nil)
	stop.GetStop().RuntimeReachedNano = int64(6 * time.Second)
	a.Say(stop)
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
}

func (s *Story) Silent(session uint32, length time.Duration, ongoing bool) {
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{
		Session: session, SilentNano: int64(length), Ongoing: ongoing,
	}}})
}

// Drained asks the client of a session alone to end its load.
func (s *Story) Drained(session uint32, reason string) {
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDrained{SessionDrained: &bulkheadv1.SessionDrained{
		Session: session, Reason: reason, WithinNano: int64(time.Minute),
	}}})
}

func (s *Story) Paused(length time.Duration) {
	s.Add(
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorPaused{
			SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: int64(length)}}})
}

func SayFiles(a *Actor, files uint64) {
	var list []*bulkheadv1.Message
	for i := range files {
		list = append(list, a.Rollover(0, i, false))
	}
	a.Say(list...)
}

// Resend delivers later, as session number, what follows message after of client a.
func (s *Story) Resend(a *Actor, number uint32, after uint64) *Actor {
	of := s.Hello(a.Session)
	rest := s.Arrive(a.name, number, uint64(100+number), int32(4100+number), 0)
	hello := s.Hello(number)
	id := protocol.RestID(of.GetClientId(), s.Records[0].GetRunStarted().GetRunId(), after)
	hello.ClientId, hello.Pid, hello.Resent = id[:], of.GetPid(), true
	return rest
}

func (s *Story) Hello(session uint32) *bulkheadv1.Hello {
	i := slices.IndexFunc(s.Records,
		func(r *bulkheadv1.Record) bool { return r.GetSessionOpened().GetSession() == session })
	return s.Records[i].GetSessionOpened().GetHello()
}

func TakeOver(kept, gone uint32) *bulkheadv1.SupervisorRestarted {
	return &bulkheadv1.SupervisorRestarted{Pid: 9, ExpectedClients: 1, Listen: "127.0.0.1:1", HandlersKept: kept,
		HandlersGone: gone}
}

// Missing returns a round that a consumer did not answer.
func (a *Actor) Missing(round uint64, index uint32, reason string) *bulkheadv1.Message {
	return a.Heartbeat(round, &bulkheadv1.HeartbeatMiss{Process: a.Process(KindConsumer, index), Reason: reason})
}

// Crowd tells the story of many clients without keeping it: add gets each record, which
// is not used again. Each client has consumers that write, sync, create and close for seconds.
func Crowd(t testing.TB, clients, consumers uint32, seconds int, add func(*bulkheadv1.Record)) (messages uint64) {
	s := New(t, clients)
	s.each = consumers
	tell := func() {
		for _, r := range s.Records {
			add(r)
		}
		s.Records = s.Records[:0]
	}
	actors := make([]*Actor, clients)
	connections := make(map[uint32]uint64)
	for i := range actors {
		n := uint32(i + 1)
		a := s.At(time.Duration(n)*time.Millisecond).Arrive(fmt.Sprintf("client-%03d", n), n, uint64(n), int32(4710+n),
			time.Duration(i%7)*time.Millisecond)
		connections[n] = uint64(n)
		a.Start()
		actors[i] = a
		tell()
	}
	// Ten shapes of latencies, each over three decades.
	var shapes []*bulkheadv1.Histogram
	for k := range 10 {
		var h latency.Histogram
		for i := range 60 {
			h.Add(time.Duration(100_000*(k+10)/10)<<(i%10)+time.Duration(actors[0].random.IntN(90_000)), uint64(1+i%3))
		}
		shapes = append(shapes, h.Proto())
	}
	once := actors[0].Sampled(1, 100*time.Microsecond)
	for n := 1; n <= seconds; n++ {
		for i, a := range actors {
			a.At(time.Duration(n)*time.Second + time.Duration(i)*time.Millisecond)
			list := make([]*bulkheadv1.Message, 0, 12)
			for c := range a.Consumers {
				list = append(list, a.Sample(c, n),
					&bulkheadv1.Message{Process: a.Process(KindConsumer, c), Fact: &bulkheadv1.Message_Progress{
						Progress: &bulkheadv1.Progress{IntervalNano: int64(time.Second), Bytes: 120 * Mib, Chunks: 120,
							ChunkWrite: shapes[(n+i+int(c))%len(shapes)],
							Sync:       shapes[(n+i)%len(shapes)], Create: once, Close: once}}})
				if (n+i)%int(consumers) == int(c) {
					list = append(list, a.Rollover(c, uint64(n), false))
				}
			}
			if n%2 == 0 {
				list = append(list, a.Heartbeat(uint64(n/2)))
			}
			a.Say(list...)
			tell()
		}
	}
	for _, a := range actors {
		messages += a.Seq
	}
	leaveEvery(time.Millisecond, time.Duration(seconds+1)*time.Second, connections, actors...)
	s.At(time.Duration(seconds+3)*time.Second).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	tell()
	return messages
}

// Worked adds what makes a load whole: consumers write, finish a file, are sampled.
func (a *Actor) Worked(indexes ...uint32) {
	for _, i := range indexes {
		a.Say(a.Progress(i, 60, 0, ""), a.Rollover(i, 0, false), a.Sample(i, 1))
	}
}

// Long returns a run of three clients that wrote for a while at random, with gaps, odd spans
// and clocks that are off; it outgrows its first intervals. Every latency is in samples.
func Long(t testing.TB, length time.Duration) (records []*bulkheadv1.Record, samples []time.Duration) {
	s := New(t, 3)
	random := rand.New(rand.NewPCG(21, 8))
	var actors []*Actor
	for n := uint32(1); n <= 3; n++ {
		actors = append(actors, s.Arrive(string(rune('a'+n)), n, uint64(n), int32(4000+n),
			time.Duration(n)*-20*time.Second))
	}
	ended := make([]time.Duration, 3)
	for now := time.Second; now < length; now += time.Duration(random.IntN(4_000_000_000)) {
		i := random.IntN(3)
		a := actors[i].At(now)
		m := a.Progress(uint32(random.IntN(2)), 0, uint64(random.IntN(3)), "")
		p := m.GetProgress()
		p.IntervalNano = int64(now-ended[i]) / 3
		ended[i] = now
		var h latency.Histogram
		for range random.IntN(200) {
			d := time.Duration(math.Exp(random.Float64()*9) * 1000)
			h.Add(d, 1)
			samples = append(samples, d)
		}
		p.ChunkWrite, p.Chunks, p.Bytes = h.Proto(), h.Count(), uint64(random.IntN(1<<30))
		p.VerifiedBytes, p.CorruptBlocks = uint64(random.IntN(1<<30)), uint64(random.IntN(20)/19)
		p.Sync = a.Sampled(random.IntN(5), time.Millisecond)
		if i > 0 {
			p.Response = a.Sampled(random.IntN(5), 10*time.Millisecond)
		}
		a.Say(m, a.Rollover(0, 1, false), a.Sample(0, int(now/time.Second)+1))
		if p.GetCorruptBlocks() > 0 {
			a.Say(a.Corruption(0, Place(random.IntN(9))))
		}
	}
	s.At(length).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records, samples
}

func Sum[T uint64 | uint32](list []T) (n uint64) {
	for _, x := range list {
		n += uint64(x)
	}
	return n
}

// BySession splits records into those of the run and those of each session, in order.
func BySession(records []*bulkheadv1.Record) (run []*bulkheadv1.Record, sessions map[uint32][]*bulkheadv1.Record) {
	sessions = make(map[uint32][]*bulkheadv1.Record)
	for _, r := range records {
		session := cmp.Or(r.GetSessionOpened().GetSession(), r.GetSessionAttached().GetSession(),
			r.GetSessionBatch().GetSession(),
			r.GetSessionDetached().GetSession(), r.GetSessionEnded().GetSession(), r.GetHandlerExited().GetSession())
		if session == 0 {
			run = append(run, r)
		} else {
			sessions[session] = append(sessions[session], r)
		}
	}
	return run, sessions
}

// Place returns a corruption of one block in file n of a client.
func Place(n int) *bulkheadv1.Corruption {
	return &bulkheadv1.Corruption{Path: fmt.Sprintf("/mnt/f%d", n), FileIndex: uint64(n), OffsetBytes: 4096,
		LengthBytes: 4096,
		Kind:        bulkheadv1.CorruptionKind_CORRUPTION_KIND_TORN, Expected: "a", Found: "b"}
}

// Loaded returns a run of one client that wrote rate MB/s for a minute, with latencies around
// slow; both vary by chance.
func Loaded(t testing.TB, seed uint64, rate float64, slow time.Duration) []*bulkheadv1.Record {
	s := New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	random := rand.New(rand.NewPCG(seed, 77))
	for n := 1; n <= 60; n++ {
		var h latency.Histogram
		for range 200 {
			h.Add(time.Duration(float64(slow)*math.Exp(0.4*random.NormFloat64())), 1)
		}
		m := a.At(time.Duration(n)*time.Second).Progress(0, 0, 0, "")
		m.GetProgress().ChunkWrite = h.Proto()
		m.GetProgress().Bytes = uint64(1e6 * rate * (1 + 0.04*random.NormFloat64()))
		a.Say(m)
	}
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// CorruptRun returns a run of one client that closes in order after it said something.
func CorruptRun(t testing.TB, say func(a *Actor)) []*bulkheadv1.Record {
	s := New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	a.At(time.Second)
	say(a)
	a.Say(a.Rollover(0, 7, false))
	a.Worked(1)
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// CutShort returns a run that ends in the middle of its second interval, with 200 B/s all along.
func CutShort(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	m := a.At(1_500_000_000).Progress(0, 0, 0, "")
	m.GetProgress().Bytes, m.GetProgress().IntervalNano = 300, 1_500_000_000
	a.Say(m)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}
