package report

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// runStart is when every story begins, on the supervisor's clock.
var runStart = time.Date(2026, 3, 2, 14, 2, 10, 120_000_000, time.UTC)

const (
	mib = 1 << 20

	kindClient   = bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT
	kindConsumer = bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER
	kindMonitor  = bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR
)

// story writes down the records of a run.
type story struct {
	t       testing.TB
	after   time.Duration // since runStart
	records []*bulkheadv1.Record
	each    uint32 // how many consumers a client has that arrives
}

// newStory begins a run that expects clients.
func newStory(t testing.TB, clients uint32) *story {
	s := &story{t: t, each: 2}
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{
		RunId: "20260302T140210Z-7f3a91", Version: "0.1.0", GoVersion: "go1.26.8", Listen: "127.0.0.1:7420",
		Host: &bulkheadv1.Host{Name: "collector1", Os: "linux", Arch: "amd64", Kernel: "6.8.0-45-generic",
			Cpus: 16, MemoryBytes: 67_400_000_000},
		ExpectedClients: clients, LingerNano: int64(2 * time.Second), SessionGraceNano: int64(30 * time.Second),
		JournalSync: "batch", Pid: 4700,
	}}})
	return s
}

// at moves the supervisor's clock to after since the run's start.
func (s *story) at(after time.Duration) *story {
	s.after = after
	return s
}

func (s *story) add(r *bulkheadv1.Record) {
	r.TimeUnixNano = runStart.Add(s.after).UnixNano()
	s.records = append(s.records, r)
}

func (s *story) rejected(connection uint64, pid int32, peer, name, reason string) {
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionRejected{ConnectionRejected: &bulkheadv1.ConnectionRejected{
		ConnectionId: connection, Peer: peer, HandlerPid: pid, Reason: reason, ClientName: name,
	}}})
}

// handlerExited ends handler pid, which served connection for life.
func (s *story) handlerExited(connection uint64, session uint32, pid int32, life time.Duration, exit *bulkheadv1.ProcessExit, end string) {
	exit.Process = &bulkheadv1.Process{Pid: pid}
	exit.EndedUnixNano = runStart.Add(s.after).UnixNano()
	exit.StartedUnixNano = runStart.Add(s.after - life).UnixNano()
	exit.UserCpuNano, exit.SystemCpuNano = int64(life/100), int64(life/250)
	exit.MaxResidentBytes = 9_400_000 + uint64(pid)
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: &bulkheadv1.HandlerExited{
		ConnectionId: connection, Session: session, Exit: exit, Peer: peerOf(connection),
		ReceivedBytes: uint64(life / 5000), Messages: uint64(life / time.Second), End: end,
	}}})
}

// restarted is another supervisor taking the run up.
func (s *story) restarted(kind bulkheadv1.RestartKind, more *bulkheadv1.SupervisorRestarted) {
	more.Kind = kind
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: more}})
}

// shed refuses count connections, the first of them a while ago.
func (s *story) shed(count uint64, reason string, ago time.Duration) {
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{ConnectionsShed: &bulkheadv1.ConnectionsShed{
		Count: count, Reason: reason, SinceUnixNano: runStart.Add(s.after - ago).UnixNano(),
	}}})
}

func (s *story) ended(reason bulkheadv1.RunEnd, detail string) {
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{Reason: reason, Detail: detail}}})
}

func peerOf(connection uint64) string { return fmt.Sprintf("127.0.0.1:%d", 50000+connection) }

func cleanExit() *bulkheadv1.ProcessExit {
	return &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CLEAN, Cause: "exit status 0"}
}

func killedExit() *bulkheadv1.ProcessExit {
	return &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, Signal: 9, Cause: "killed by SIGKILL"}
}

// actor is one client of a story. Its clock is ahead of the supervisor's.
type actor struct {
	*story
	session   uint32
	name      string
	ahead     time.Duration
	consumers uint32
	chunk     uint64
	file      uint64
	seq       uint64
	random    *rand.Rand
	begun     time.Duration
}

// arrive opens a session on connection, through handler pid.
func (s *story) arrive(name string, session uint32, connection uint64, pid int32, ahead time.Duration) *actor {
	a := &actor{story: s, session: session, name: name, ahead: ahead, consumers: s.each, chunk: mib, file: 64 * mib,
		random: rand.New(rand.NewPCG(uint64(session), 7)), begun: s.after}
	id := make([]byte, 16)
	for i := range id {
		id[i] = byte(session*16) + byte(i)
	}
	id[0] ^= byte(session >> 4) // with more than 15 clients
	specs := make([]*bulkheadv1.ConsumerSpec, a.consumers)
	for i := range specs {
		specs[i] = a.spec(uint32(i))
	}
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
		Session: session, SessionId: fmt.Sprintf("s-%08x", session*0x1234567), Hello: &bulkheadv1.Hello{
			ProtocolVersion: 1, ClientId: id, Name: name, Host: name + ".lab", ClientVersion: "0.1.0", Pid: a.pid(kindClient, 0),
			Labels: map[string]string{"rack": fmt.Sprint(session), "disk": "nvme"}, WallClockUnixNano: a.clock(),
			Workload: &bulkheadv1.Workload{
				RuntimeNano: int64(20 * time.Second), HeartbeatIntervalNano: int64(2 * time.Second),
				HeartbeatTimeoutNano: int64(time.Second), MonitorIntervalNano: int64(time.Second),
				ProgressIntervalNano: int64(time.Second), Consumers: specs,
			},
		},
	}}})
	a.attach(connection, pid)
	return a
}

// at moves the supervisor's clock, and with it the client's.
func (a *actor) at(after time.Duration) *actor {
	a.story.at(after)
	return a
}

// clock is the client's wall clock.
func (a *actor) clock() int64 { return runStart.Add(a.after + a.ahead).UnixNano() }

func (a *actor) pid(kind bulkheadv1.ProcessKind, index uint32) int32 {
	return int32(5000 + 100*a.session + 10*uint32(kind) + index)
}

func (a *actor) process(kind bulkheadv1.ProcessKind, index uint32) *bulkheadv1.Process {
	return &bulkheadv1.Process{Kind: kind, Index: index, Pid: a.pid(kind, index)}
}

func (a *actor) spec(index uint32) *bulkheadv1.ConsumerSpec {
	return &bulkheadv1.ConsumerSpec{Index: index, Path: fmt.Sprintf("/mnt/data/bulkhead-%s/consumer-%d", a.name, index),
		ChunkSizeBytes: a.chunk, FileSizeBytes: a.file, KeepFiles: 2, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_FILE}
}

func (a *actor) attach(connection uint64, pid int32) {
	a.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: a.session, ConnectionId: connection, HandlerPid: pid, Peer: peerOf(connection),
		ResumeAfter: a.seq, ClientWallClockUnixNano: a.clock(),
	}}})
}

// detachAs is detach with what the supervisor's side saw.
func (a *actor) detachAs(class bulkheadv1.DetachClass, connection uint64, cause string) {
	a.detach(connection, cause)
	a.records[len(a.records)-1].GetSessionDetached().Class = class
}

// attachAfter is attach by a client that says why it was away.
func (a *actor) attachAfter(said bulkheadv1.Absence, starved time.Duration, end string, connection uint64, pid int32) {
	a.attach(connection, pid)
	e := a.records[len(a.records)-1].GetSessionAttached()
	e.Absence, e.StarvedNano, e.LastEnd = said, int64(starved), end
}

func (a *actor) detach(connection uint64, cause string) {
	a.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: a.session, ConnectionId: connection, Cause: cause,
	}}})
}

func (a *actor) end(outcome bulkheadv1.Outcome, cause string) {
	a.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
		Session: a.session, Outcome: outcome, Cause: cause, LastSeq: a.seq,
	}}})
}

// say puts messages into one batch, numbered and timed.
func (a *actor) say(messages ...*bulkheadv1.Message) {
	first := a.seq + 1
	for _, m := range messages {
		a.seq++
		m.Seq = a.seq
		if m.TimeUnixNano == 0 {
			m.TimeUnixNano = a.clock()
		}
	}
	encoded, err := proto.Marshal(&bulkheadv1.Batch{Messages: messages})
	if err != nil {
		a.t.Fatal(err)
	}
	a.sayBytes(first, a.seq, encoded)
}

// sayBytes puts any bytes where a batch should be.
func (a *actor) sayBytes(first, last uint64, encoded []byte) {
	a.seq = last
	a.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: a.session, FirstSeq: first, LastSeq: last, Batch: encoded,
	}}})
}

// start says that every process of the client is up.
func (a *actor) start() {
	list := []*bulkheadv1.Message{{Process: a.process(kindClient, 0), Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}}}
	for i := range a.consumers {
		list = append(list, &bulkheadv1.Message{Process: a.process(kindConsumer, i), TimeUnixNano: a.clock() + int64(i+4)*1_100_000,
			Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{Consumer: a.spec(i)}}})
	}
	list = append(list, &bulkheadv1.Message{Process: a.process(kindMonitor, 0), TimeUnixNano: a.clock() + 9_300_000,
		Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}})
	a.say(list...)
}

// second is what every worker says once a second of steady writing: consumer i
// writes 4·(i+1) files of 64 MiB in 20 s.
func (a *actor) second(n int) []*bulkheadv1.Message {
	var list []*bulkheadv1.Message
	for i := range a.consumers {
		chunks := uint64(13 * (i + 1))
		list = append(list, a.progress(i, chunks, 0, ""), a.sample(i, n))
		if n%5 == 0 {
			for k := range uint64(i + 1) {
				list = append(list, a.rollover(i, uint64(n/5-1)*uint64(i+1)+k, false))
			}
		}
	}
	return list
}

func (a *actor) progress(index uint32, chunks, errors uint64, text string) *bulkheadv1.Message {
	var h latency.Histogram
	for range chunks {
		h.Add(time.Duration(300_000+a.random.IntN(90_000)), 1)
		if a.random.IntN(50) == 0 {
			h.Add(time.Duration(2_000_000+a.random.IntN(40_000_000)), 1)
			chunks++
		}
	}
	return &bulkheadv1.Message{Process: a.process(kindConsumer, index), Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
		IntervalNano: int64(time.Second), Bytes: h.Count() * a.chunk, Chunks: h.Count(), Errors: errors, LastError: text,
		ChunkWrite: h.Proto(),
	}}}
}

func (a *actor) rollover(index uint32, file uint64, partial bool) *bulkheadv1.Message {
	size := a.file
	if partial {
		size = a.chunk // no more than it has written beside its whole files
	}
	return &bulkheadv1.Message{Process: a.process(kindConsumer, index), Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{
		Path: fmt.Sprintf("%s/%08d.dat", a.spec(index).Path, file), FileIndex: file, SizeBytes: size, ChunkSizeBytes: a.chunk,
		Chunks: size / a.chunk, FirstWriteUnixNano: a.clock() - int64(5*time.Second), CreateNano: int64(80_000 + a.random.IntN(50_000)),
		WriteNano: int64(20_000_000 + a.random.IntN(4_000_000)), SyncNano: int64(31_000_000 + a.random.IntN(9_000_000)),
		CloseNano: int64(9000 + a.random.IntN(4000)), Verification: bulkheadv1.Verification_VERIFICATION_OFF, Partial: partial,
	}}}
}

func (a *actor) sample(index uint32, n int) *bulkheadv1.Message {
	return &bulkheadv1.Message{Process: a.process(kindConsumer, index), Fact: &bulkheadv1.Message_Monitor{Monitor: &bulkheadv1.Monitor{
		UserCpuNano: int64(n) * 20_000_000, SystemCpuNano: int64(n)*150_000_000 + int64(n%3)*10_000_000,
		ResidentBytes: 21_000_000 + uint64(n)*4096, Threads: 9, Fds: 11, WrittenBytes: uint64(n) * 13 * uint64(index+1) * a.chunk,
		StorageBytes: uint64(n) * 12 * uint64(index+1) * a.chunk, ElapsedNano: int64(n) * int64(time.Second),
	}}}
}

// heartbeat is a round that everybody answered in time, but for those in misses.
func (a *actor) heartbeat(round uint64, misses ...*bulkheadv1.HeartbeatMiss) *bulkheadv1.Message {
	h := &bulkheadv1.Heartbeat{Round: round, StartedUnixNano: a.clock(), TimeoutNano: int64(time.Second), Misses: misses}
	missed := make(map[int32]bool)
	for _, m := range misses {
		missed[m.GetProcess().GetPid()] = true
	}
	for i := range a.consumers + 1 {
		p := a.process(kindMonitor, 0)
		if i < a.consumers {
			p = a.process(kindConsumer, i)
		}
		if !missed[p.GetPid()] {
			h.Answers = append(h.Answers, &bulkheadv1.HeartbeatAnswer{Process: p, LatencyNano: int64(210_000 + a.random.IntN(400_000)),
				State: bulkheadv1.WorkerState_WORKER_STATE_WORKING})
		}
	}
	return &bulkheadv1.Message{Process: a.process(kindClient, 0), Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: h}}
}

// stop is the last message. Workers named in exits ended like that, the others in
// order.
func (a *actor) stop(reason bulkheadv1.StopReason, detail string, exits map[int32]*bulkheadv1.ProcessExit) *bulkheadv1.Message {
	stop := &bulkheadv1.Stop{Reason: reason, Detail: detail}
	for i := range a.consumers + 1 {
		p := a.process(kindMonitor, 0)
		if i < a.consumers {
			p = a.process(kindConsumer, i)
		}
		e := exits[p.GetPid()]
		if e == nil {
			e = cleanExit()
		}
		e.Process = p
		e.StartedUnixNano = runStart.Add(a.begun + a.ahead).UnixNano()
		if e.EndedUnixNano == 0 {
			e.EndedUnixNano = a.clock()
		}
		e.UserCpuNano, e.SystemCpuNano, e.MaxResidentBytes = 410_000_000, 3_120_000_000, 21_300_000
		stop.Exits = append(stop.Exits, e)
	}
	return &bulkheadv1.Message{Process: a.process(kindClient, 0), Fact: &bulkheadv1.Message_Stop{Stop: stop}}
}
