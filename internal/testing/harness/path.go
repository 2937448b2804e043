package harness

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Path is a network path that a test can break: it listens, and relays every
// connection to a target. Nothing is ever dropped or reordered within a connection
// that lives, as TCP promises; what is held back is relayed later or dies with the
// connection.
type Path struct {
	target string
	done   chan struct{} // closed by Close
	all    sync.WaitGroup

	mu       sync.Mutex
	listen   string
	listener net.Listener           // guarded by mu; nil while the path refuses
	crossing map[*crossing]struct{} // guarded by mu
	last     *crossing              // guarded by mu; the newest
	held     [2]bool                // guarded by mu; by direction
	rate     int                    // guarded by mu; bytes a second in each direction, 0 for no limit
	changed  chan struct{}          // guarded by mu; closed and replaced when held or rate change
}

// Direction is a direction of a Path.
type Direction int

// The directions of a Path.
const (
	Up   Direction = iota // from the one who connects to the target
	Down                  // and back
)

// crossing is one relayed connection.
type crossing struct {
	ends [2]*net.TCPConn // that of the one who connected, that to the target
	gone chan struct{}   // closed by close
	once sync.Once
}

// NewPath opens a path to a target.
func NewPath(target string) (*Path, error) {
	p := &Path{
		target: target, done: make(chan struct{}), listen: "127.0.0.1:0",
		crossing: make(map[*crossing]struct{}), changed: make(chan struct{}),
	}
	if err := p.Admit(); err != nil {
		return nil, err
	}
	return p, nil
}

// Addr returns where to connect.
func (p *Path) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listen
}

// Peer returns the address from which the target sees the newest connection; "" before
// the first.
func (p *Path) Peer() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		return ""
	}
	return p.last.ends[1].LocalAddr().String()
}

// Admit listens, again after Refuse on the same port.
func (p *Path) Admit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", p.listen)
	if err != nil {
		return fmt.Errorf("opening a network path: %w", err)
	}
	p.listener, p.listen = l, l.Addr().String()
	p.all.Go(func() { p.accept(l) }) // ends when l is closed
	return nil
}

// Refuse lets nobody connect. Existing connections stay.
func (p *Path) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

// Cut resets every connection, on both sides.
func (p *Path) Cut() {
	for _, c := range p.crossings() {
		c.close(true)
	}
}

// Hold stops relaying in the directions: bytes and the ends of connections alike.
// Both sides see a network that has fallen silent.
func (p *Path) Hold(directions ...Direction) { p.set(directions, true) }

// Release relays in both directions again.
func (p *Path) Release() { p.set([]Direction{Up, Down}, false) }

func (p *Path) set(directions []Direction, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range directions {
		p.held[d] = held
	}
	p.change()
}

// change wakes the relays. The caller holds mu.
func (p *Path) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Slow relays that many bytes a second in each direction of each connection; 0 is
// no limit.
func (p *Path) Slow(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
	p.change()
}

// HalfOpen ends every connection towards the target alone: the target is told that
// nothing more comes, and the one who connected is told nothing and hears nothing.
func (p *Path) HalfOpen() {
	p.Hold(Up, Down)
	for _, c := range p.crossings() {
		_ = c.ends[1].CloseWrite() // gone already is fine
	}
}

// Close ends the path and every connection on it.
func (p *Path) Close() {
	p.Refuse()
	close(p.done)
	for _, c := range p.crossings() {
		c.close(true)
	}
	p.all.Wait()
}

func (p *Path) crossings() []*crossing {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*crossing
	for c := range p.crossing {
		out = append(out, c)
	}
	return out
}

// accept takes connections until the listener is closed.
func (p *Path) accept(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil { // as the target's own kernel would answer
			_ = near.(*net.TCPConn).SetLinger(0)
			near.Close()
			continue
		}
		c := &crossing{ends: [2]*net.TCPConn{near.(*net.TCPConn), far.(*net.TCPConn)}, gone: make(chan struct{})}
		p.mu.Lock()
		p.crossing[c], p.last = struct{}{}, c
		p.mu.Unlock()
		p.all.Go(func() { p.carry(c) })
	}
}

// carry relays one connection to its end.
func (p *Path) carry(c *crossing) {
	var relays sync.WaitGroup
	relays.Go(func() { p.relay(c, Up) })
	relays.Go(func() { p.relay(c, Down) })
	relays.Wait()
	c.close(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.crossing, c)
}

// relay relays one direction until it ends, and passes the end on.
func (p *Path) relay(c *crossing, d Direction) {
	from, to := c.ends[d], c.ends[1-d]
	buf := make([]byte, 16<<10)
	for p.await(c, d) {
		n, err := from.Read(buf[:p.portion(len(buf))])
		if !p.await(c, d) || !p.pace(c, n) {
			return
		}
		if _, writing := to.Write(buf[:n]); writing != nil {
			c.close(true)
			return
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite() // gone already is fine
			return
		}
		if err != nil {
			c.close(true)
			return
		}
	}
}

// await waits until a direction is not held; false when the connection is over.
func (p *Path) await(c *crossing, d Direction) bool {
	for {
		p.mu.Lock()
		held, changed := p.held[d], p.changed
		p.mu.Unlock()
		select {
		case <-c.gone:
			return false
		case <-p.done:
			return false
		default:
		}
		if !held {
			return true
		}
		select {
		case <-changed:
		case <-c.gone:
		case <-p.done:
		}
	}
}

// portion returns how much may be read at once: of a slow link, what takes a tenth of a
// second.
func (p *Path) portion(most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		return most
	}
	return max(1, min(most, p.rate/10))
}

// pace lets the time pass that n bytes take; false when the connection is over.
func (p *Path) pace(c *crossing, n int) bool {
	p.mu.Lock()
	rate, changed := p.rate, p.changed
	p.mu.Unlock()
	if rate == 0 {
		return true
	}
	t := time.NewTimer(time.Duration(n) * time.Second / time.Duration(rate))
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-c.gone:
		return false
	case <-p.done:
		return false
	}
	return true
}

// close ends both sides, with a reset or in order.
func (c *crossing) close(reset bool) {
	c.once.Do(func() {
		close(c.gone)
		for _, end := range c.ends {
			if reset {
				_ = end.SetLinger(0)
			}
			end.Close()
		}
	})
}
