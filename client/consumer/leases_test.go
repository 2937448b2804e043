package consumer

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"bulkhead/client/verify"
)

// readable finishes a file as the verifier does, for rotations of which files are read.
func readable(r *rotation, t turn) {
	t.content = &content{name: "f", target: verify.Target{Written: 1}}
	r.finish(t)
}

// leased returns a rotation of which files are read.
func leased(keep int, recycle bool) *rotation {
	r := newRotation(keep, recycle)
	r.whole = func(uint64) *content { return &content{target: verify.Target{Written: 1}} }
	return r
}

// TestLeasesUnderAnyInterleaving does what writers, remover and readers do in drawn orders, one
// step at a time, and looks after each: a file that is held is neither written over nor removed, what
// is wanted is not given out anew, and once nobody holds anything all that waits goes on.
func TestLeasesUnderAnyInterleaving(t *testing.T) {
	var reads, revoked, recycled, removed int
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		recycle, keep := seed%2 == 0, 1+int(seed/2%3)
		r := leased(keep, recycle)
		var current, leaving []turn
		var held []*lease
		holds := func(n turn) bool {
			return slices.ContainsFunc(held, func(l *lease) bool { return l.number == n.number })
		}
		closed := make(chan struct{})
		close(closed)
		now := func(f func(done <-chan struct{}) (turn, bool)) (turn, bool) { return f(closed) }
		next := func() (turn, bool) { // as rotation.next, without waiting
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.spoiled > 0 || len(r.leaving) > maxLeaving {
				return turn{}, false
			}
			return r.take()
		}
		for range 600 {
			switch rng.IntN(6) {
			case 0:
				if n, ok := next(); ok && len(current) < 3 {
					if holds(n) {
						t.Fatalf("seed %d: file %d is written over while it is held", seed, n.number)
					}
					if n.generation > 1 {
						recycled++
					} else {
						r.begin(n)
					}
					current = append(current, n)
				} else if ok {
					if n.generation > 1 {
						r.giveBack(n)
					}
				}
			case 1:
				if len(current) > 0 {
					i := rng.IntN(len(current))
					readable(r, current[i])
					current = slices.Delete(current, i, i+1)
				}
			case 2:
				if n, ok := now(r.awaitLeaving); ok {
					if holds(n) {
						t.Fatalf("seed %d: file %d is removed while it is held", seed, n.number)
					}
					leaving = append(leaving, n)
					removed++
					r.left(n)
				}
			case 3, 4:
				r.mu.Lock()
				l := r.choose([]func(uint64) uint64{nil, rng.Uint64N}[rng.IntN(2)])
				r.mu.Unlock()
				if l == nil {
					continue
				}
				if len(held) == 3 {
					r.release(l)
					continue
				}
				reads++
				same := func(n turn) bool { return n.number == l.number }
				if l.revoked.Load() || slices.ContainsFunc(current, same) || slices.ContainsFunc(leaving, same) {
					t.Fatalf("seed %d: file %d is given to a reader, which is wanted, written or gone", seed, l.number)
				}
				held = append(held, l)
			case 5:
				if len(held) > 0 {
					i := rng.IntN(len(held))
					if held[i].revoked.Load() {
						revoked++
					}
					if a := r.again(held[i]); a != nil {
						if a.revoked.Load() || a.generation != held[i].generation {
							t.Fatalf("seed %d: %v again for %v", seed, a.turn, held[i].turn)
						}
						r.release(a)
					}
					r.release(held[i])
					held = slices.Delete(held, i, i+1)
				}
			}
		}
		for _, l := range held {
			r.release(l)
		}
		if len(r.held) > 0 {
			t.Fatalf("seed %d: %d files are held by nobody", seed, len(r.held))
		}
		for len(r.leaving) > 0 {
			n, ok := now(r.awaitLeaving)
			if !ok {
				t.Fatalf("seed %d: a file that nobody holds cannot be removed", seed)
			}
			r.left(n)
		}
		if n, ok := next(); !ok {
			t.Fatalf("seed %d: nothing can be written, %v", seed, n)
		}
	}
	if min(reads, revoked, recycled, removed) < 1000 {
		t.Errorf("%d reads, %d leases revoked, %d files written over, %d removed: too few", reads, revoked, recycled,
			removed)
	}
}

// TestRotationWaitsForReaders wants a file that is held, to write over it or to remove it: the lease
// is revoked, and the file had when it is given back.
func TestRotationWaitsForReaders(t *testing.T) {
	for name, c := range map[string]struct {
		recycle bool
		want    func(r *rotation) turn
	}{
		"recycle": {true, func(r *rotation) turn { t, _ := r.next(nil); return t }},
		"remove":  {false, func(r *rotation) turn { t, _ := r.awaitLeaving(nil); return t }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := leased(1, c.recycle)
				one := func() {
					n, _ := r.next(nil)
					r.begin(n)
					readable(r, n)
				}
				one()
				l := r.lease(nil, nil)
				one() // the first one is too many now
				wanted := make(chan turn)
				go func() { wanted <- c.want(r) }()
				synctest.Wait()
				select {
				case n := <-wanted:
					t.Fatalf("file %d was given away while it is held", n.number)
				default:
				}
				if !l.revoked.Load() {
					t.Fatal("the lease is not revoked")
				}
				r.release(l)
				if n := <-wanted; n.number != 0 {
					t.Errorf("file %d, want 0", n.number)
				}
			})
		})
	}
}

// TestAReaderWaitsForAFile waits where nothing is finished, and has the first file that is.
func TestAReaderWaitsForAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := leased(0, false)
		got := make(chan *lease)
		go func() { got <- r.lease(nil, nil) }()
		synctest.Wait()
		n, _ := r.next(nil)
		r.begin(n)
		r.finish(n) // of which only the number is kept
		if l := <-got; l.number != n.number || l.content == nil {
			t.Errorf("%v, want file %d", l.turn, n.number)
		}
		done := make(chan struct{})
		empty := leased(0, false)
		go func() { got <- empty.lease(nil, done) }()
		synctest.Wait()
		close(done)
		if l := <-got; l != nil {
			t.Errorf("a file where there is none: %v", l.turn)
		}
	})
}

// TestFilesThatAllStayTakeNoMemory: of a million files, finished by writers in turn, nothing
// grows, and all of them are removed in the end.
func TestFilesThatAllStayTakeNoMemory(t *testing.T) {
	const files, writers = 1 << 20, 16
	r := newRotation(0, false)
	var current []turn
	for range writers {
		current = append(current, newFile(t, r))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	one := func() {
		w := rng.IntN(writers)
		r.finish(current[w])
		current[w] = newFile(t, r)
	}
	for range files / 2 {
		one()
	}
	grown := testing.AllocsPerRun(1, func() {
		for range files / 4 {
			one()
		}
	})
	if held := len(r.finished) + r.numbered.Spans(); held > 100*writers {
		t.Errorf("%d files are held in %d places", files, held)
	}
	if grown > files/400 {
		t.Errorf("%v allocations for %d files", grown, files/4)
	}
	left := 0
	for range r.all {
		left++
	}
	if left != files+writers {
		t.Errorf("%d files are there; want %d", left, files+writers)
	}
}

func newFile(t *testing.T, r *rotation) turn {
	t.Helper()
	next, ok := r.next(nil)
	if !ok {
		t.Fatal("there is no next file")
	}
	r.begin(next)
	return next
}
