package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/tools/bench/tiny"
)

// floors are what this machine takes at least for what Bulkhead does, and what Bulkhead takes, over
// all rounds.
type floors struct {
	// ours
	rate, cpu, private, descriptors, connect, messages spread
	kinds                                              map[string]int
	// the least
	execRate, execWall, execCPU                     spread
	bareRate, bareWall, bareCPU, barePrivate        spread
	handedRate, handedCPU, handedPrivate            spread
	take                                            spread
	pair, tcp, hop                                  spread // µs
	pairStream, tcpStream, hopStream, durableStream spread
	fsync, fdatasync, zeroes                        spread
}

// floor prints what the machine itself takes, beside what Bulkhead takes, in turn in one run.
func (b *bench) floor() error {
	bare, err := b.build("bare")
	if err != nil {
		return err
	}
	peer, err := b.build("peer")
	if err != nil {
		return err
	}
	least := filepath.Join(b.dir, "tiny")
	if err := tiny.Write(least); err != nil {
		return err
	}
	f := &floors{}
	for range b.rounds {
		if err := errors.Join(f.addOurs(b), f.addStarts(least, bare), f.addHanded(peer), f.addHops(b, bare),
			f.addDisk(b)); err != nil {
			return err
		}
	}
	b.least("connect to first ack, p50, to in-process", fmt.Sprintf("%.2f ms", f.take.median()))
	b.least("messages/s to in-process, 1 × 1", fmt.Sprintf("%.0f k/s", f.durableStream.median()/1e3))
	b.least("MiB of a handler", f.barePrivate.text("%.2f"))
	b.least("descriptors per client", "2")
	for _, n := range b.clients {
		b.least(fmt.Sprintf("new clients/s, %d connected", n), f.handedRate.text("%.0f"))
	}
	return f.print(b)
}

func (f *floors) addOurs(b *bench) error {
	s, err := b.supervisor("--clients", "1", "--linger", "1h", "--handler-pool", fmt.Sprint(connecting))
	if err != nil {
		return err
	}
	defer s.Kill()
	if err := b.fullPool(s, connecting); err != nil {
		return err
	}
	before, err := kinds(s.Pid())
	if err != nil {
		return err
	}
	had, err := familyTime(s.Pid())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	all, _, err := connectAll(ctx, s.Addr, 0, startsAtOnce)
	for _, c := range all {
		defer c.Close()
	}
	if err != nil {
		return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	f.rate = append(f.rate, startsAtOnce/time.Since(began).Seconds())
	if err := b.fullPool(s, connecting); err != nil {
		return err
	}
	has, err := familyTime(s.Pid())
	if err != nil {
		return err
	}
	f.cpu = append(f.cpu, (has-had).Seconds()*1e3/startsAtOnce)
	after, err := kinds(s.Pid())
	if err != nil {
		return err
	}
	f.kinds = after
	more := 0
	for kind, n := range before {
		f.kinds[kind] -= n
	}
	for _, n := range f.kinds {
		more += n
	}
	f.descriptors = append(f.descriptors, float64(more)/startsAtOnce)
	private, err := handlersMemory(s)
	if err != nil {
		return err
	}
	f.private = append(f.private, private.median())
	for _, c := range all {
		c.Close()
	}
	return f.addLatency(b)
}

// addLatency measures a supervisor that has nothing else to do.
func (f *floors) addLatency(b *bench) error {
	s, err := b.supervisor(unshared("--clients", "1", "--linger", "1h", "--handler-pool", "8")...)
	if err != nil {
		return err
	}
	defer s.Kill()
	var connects spread
	for i := range arrangedConnects {
		ms, err := connectOnce(s.Addr, fmt.Sprintf("bench-%d", i))
		if err != nil {
			return err
		}
		connects = append(connects, ms)
		time.Sleep(20 * time.Millisecond) // lets the pool refill
	}
	f.connect = append(f.connect, connects.median())
	rate, err := drive(s.Addr, 1, 1)
	f.messages = append(f.messages, rate)
	return err
}

func (f *floors) addStarts(least, bare string) error {
	e, err := execs(least)
	if err != nil {
		return fmt.Errorf("exec and exit: %w", err)
	}
	l, err := listeners(bare)
	if err != nil {
		return fmt.Errorf("a bare Go program: %w", err)
	}
	f.execRate, f.execWall, f.execCPU = append(f.execRate, e.rate), append(f.execWall, e.wall.median()),
		append(f.execCPU, e.cpu)
	f.bareRate, f.bareWall, f.bareCPU = append(f.bareRate, l.rate), append(f.bareWall, l.wall.median()),
		append(f.bareCPU, l.cpu)
	f.barePrivate = append(f.barePrivate, l.private.median())
	return nil
}

// addHanded has the same clients as addOurs served by processes that do nothing but to serve them and
// their parent by gRPC.
func (f *floors) addHanded(program string) (err error) {
	p, err := startPeer(program, "handed")
	if err != nil {
		return err
	}
	defer func() {
		if log := p.stop(); err != nil {
			err = fmt.Errorf("a process of gRPC: %w; its log:\n%s", err, log)
		}
	}()
	had, err := familyTime(p.parent())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	all, _, err := connectAll(ctx, p.addr(), 0, startsAtOnce)
	for _, c := range all {
		defer c.Close()
	}
	if err != nil {
		return err
	}
	f.handedRate = append(f.handedRate, startsAtOnce/time.Since(began).Seconds())
	has, err := familyTime(p.parent())
	if err != nil {
		return err
	}
	f.handedCPU = append(f.handedCPU, (has-had).Seconds()*1e3/startsAtOnce)
	children, err := harness.Children(p.parent(), "")
	var private spread
	for _, pid := range children {
		m, e := harness.PrivateMemory(pid)
		private, err = append(private, float64(m)/(1<<20)), errors.Join(err, e)
	}
	if err == nil {
		f.handedPrivate = append(f.handedPrivate, private.median())
	}
	return err
}

func (f *floors) addHops(b *bench, bare string) error {
	for _, way := range []struct {
		tcp, relayed, durable bool
		trip, stream          *spread
	}{
		{false, false, false, &f.pair, &f.pairStream},
		{true, false, false, &f.tcp, &f.tcpStream},
		{true, true, false, &f.hop, &f.hopStream},
		{true, true, true, nil, &f.durableStream},
	} {
		h, err := b.measureChain(bare, way.tcp, way.relayed, way.durable)
		if err != nil {
			return fmt.Errorf("a hop: %w", err)
		}
		if way.trip != nil {
			*way.trip = append(*way.trip, h.trip)
		}
		*way.stream = append(*way.stream, h.stream)
	}
	take, err := b.handovers(bare, 2*arrangedConnects)
	if err != nil {
		return fmt.Errorf("a handover: %w", err)
	}
	f.take = append(f.take, take.median())
	return nil
}

func (f *floors) addDisk(b *bench) error {
	a, err := b.append()
	f.fsync, f.fdatasync, f.zeroes = append(f.fsync, a.fsync), append(f.fdatasync, a.fdatasync),
		append(f.zeroes, a.zeroes)
	return err
}

func (f *floors) print(b *bench) error {
	fmt.Fprintf(b.out, "\n(h) floors: what this machine takes at least for the same, without protocol or promise; "+
		"%d starts, %d at a time; median of %d (least–most)\n", startsAtOnce, connecting, b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| what\t| Bulkhead\t| floor\t| ratio\t| the floor is\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|")
	row := func(what string, ours, least spread, form, is string) {
		ratio := make(spread, len(ours))
		for i := range ours {
			ratio[i] = ours[i] / least[i]
		}
		digits := "%.2f"
		if ratio.median() < 0.1 {
			digits = "%.4f"
		}
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", what, ours.text(form), least.text(form), ratio.text(digits),
			is)
	}
	const listens = "a Go program that is executed, listens on a unix socket and answers a dial"
	const serves = "a Go program that is executed, gets the client's socket by SCM_RIGHTS, and serves it and its " +
		"parent by gRPC, with nothing else"
	row("new clients/s", f.rate, f.handedRate, "%.0f", serves)
	row("", f.rate, f.bareRate, "%.0f", listens)
	row("", f.rate, f.execRate, "%.0f", "exec and exit of a static program of one page")
	row("processor time of a new client, ms", f.cpu, f.handedCPU, "%.2f", serves)
	row("", f.cpu, f.bareCPU, "%.2f", listens)
	row("", f.cpu, f.execCPU, "%.2f", "exec and exit")
	row("a handler's private MiB", f.private, f.handedPrivate, "%.2f", serves)
	row("", f.private, f.barePrivate, "%.2f", listens)
	row("connect to first ack, p50 ms", f.connect, f.take, "%.2f",
		"accept, handover by SCM_RIGHTS to a process that waits, fdatasync of a record, answer")
	row("messages/s, 1 × 1", f.messages, f.durableStream, "%.0f",
		"records of 128 bytes through one process to another, fdatasync of what came, answer")
	row("", f.messages, f.hopStream, "%.0f", "the same without a disk")
	fmt.Fprintf(t, "| descriptors per client\t| %s\t| 2\t| %.2f\t| one socket, and one for the end of the process; "+
		"Bulkhead's are %s\t|\n", f.descriptors.text("%.2f"), f.descriptors.median()/2, account(f.kinds))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nwall ms of a start with %d at a time: exec and exit %s, a Go program until it answers %s\n",
		connecting, f.execWall.text("%.2f"), f.bareWall.text("%.2f"))
	fmt.Fprintf(b.out, "round trip of a record, µs: pair of unix sockets %s, TCP %s, TCP and one process between %s\n",
		f.pair.text("%.1f"), f.tcp.text("%.1f"), f.hop.text("%.1f"))
	fmt.Fprintf(b.out, "thousands of records/s, %d on their way: %s, %s, %s; and with fdatasync %s\n", window,
		thousands(f.pairStream), thousands(f.tcpStream), thousands(f.hopStream), thousands(f.durableStream))
	_, err := fmt.Fprintf(b.out, "a record made durable, ms: fsync of a file that grows %s, fdatasync %s, "+
		"fdatasync of one full of zeroes %s\n", f.fsync.text("%.3f"), f.fdatasync.text("%.3f"), f.zeroes.text("%.3f"))
	return err
}

func thousands(s spread) string {
	out := make(spread, len(s))
	for i := range s {
		out[i] = s[i] / 1e3
	}
	return out.text("%.0f")
}

// account returns what descriptors per client are.
func account(kinds map[string]int) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if n := float64(kinds[kind]) / startsAtOnce; n >= 0.1 {
			words = append(words, fmt.Sprintf("%.1f %s", n, kind))
		}
	}
	return strings.Join(words, ", ")
}

// kinds counts a process's descriptors by what they are.
func kinds(pid int) (map[string]int, error) {
	files, err := harness.OpenFiles(pid)
	out := make(map[string]int)
	for _, target := range files {
		kind, _, _ := strings.Cut(strings.TrimPrefix(target, "anon_inode:"), ":")
		if strings.HasPrefix(target, "/") {
			kind = "file"
		}
		out[strings.Trim(kind, "[]")]++
	}
	return out, err
}

// familyTime returns the processor time of a process and of its children.
func familyTime(pid int) (time.Duration, error) {
	children, err := harness.Children(pid, "")
	if err != nil {
		return 0, err
	}
	return processorTime(append(children, pid))
}
