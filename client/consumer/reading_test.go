package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRotationWaitsForReading wants a file that is being read, to write over it or to
// remove it.
func TestRotationWaitsForReading(t *testing.T) {
	for _, c := range []struct {
		name    string
		recycle bool
		want    func(r *rotation) turn
	}{
		{"recycle", true, func(r *rotation) turn { t, _ := r.next(nil); return t }},
		{"remove", false, func(r *rotation) turn { t, _ := r.awaitLeaving(nil); return t }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRotation(1, c.recycle)
				fill(r, 1)
				reading, stop := context.WithCancel(t.Context())
				got, _ := r.read(time.Second, stop)
				if got == nil || got.name != "0" {
					t.Fatalf("reading %v", got)
				}
				fill(r, 1) // the first one is too many now
				if reading.Err() != nil {
					t.Fatal("reading is to stop before anybody wants the file")
				}
				wanted := make(chan turn)
				go func() { wanted <- c.want(r) }()
				synctest.Wait()
				select {
				case n := <-wanted:
					t.Fatalf("file %d was given away while it is being read", n.number)
				case <-reading.Done():
				default:
					t.Fatal("the reading is not told to stop")
				}
				r.endReading()
				if n := <-wanted; n.number != 0 {
					t.Errorf("file %d, want 0", n.number)
				}
			})
		})
	}
}

// fill makes n more files.
func fill(r *rotation, n int) {
	for range n {
		t, _ := r.next(nil)
		r.begin(t)
		t.content = &content{name: string(rune('0' + t.number))}
		r.finish(t)
	}
}

// TestReadingTakesTurns reads the file that was not read for the longest time, and none
// too soon.
func TestReadingTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRotation(0, false)
		if c, wait := r.read(time.Second, func() {}); c != nil || wait != time.Second {
			t.Fatalf("of no files: %v, %v", c, wait)
		}
		fill(r, 3)
		var order string
		for range 7 {
			c, wait := r.read(time.Second, func() {})
			if c == nil {
				order += " "
				if wait <= 0 || wait > time.Second {
					t.Fatalf("to wait %v", wait)
				}
				time.Sleep(wait)
				continue
			}
			order += c.name
			time.Sleep(100 * time.Millisecond)
			c.checked = time.Now()
			r.endReading()
		}
		if order != "012 012" {
			t.Errorf("read in the order %q", order)
		}
		c, _ := r.read(time.Nanosecond, func() {})
		c.unreadable = true
		r.endReading()
		if next, _ := r.read(time.Nanosecond, func() {}); next == nil || next == c {
			t.Error("a file that cannot be read is read again")
		}
	})
}

func TestKnownCorruptionIsNoNews(t *testing.T) {
	var c content
	for i, step := range []struct {
		span
		news uint64
	}{
		{span{0, 10}, 10}, {span{0, 10}, 0}, {span{20, 30}, 10}, {span{5, 25}, 10}, {span{0, 30}, 0}, {span{0, 40}, 10},
		{span{50, 60}, 10}, {span{55, 58}, 0}, {span{40, 50}, 10},
	} {
		if news := c.learn(step.span); news != step.news {
			t.Errorf("step %d: %d news in %v, want %d", i, news, step.span, step.news)
		}
	}
}
