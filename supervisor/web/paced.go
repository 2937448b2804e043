package web

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// answerShare is what part of one processor making an answer may take, whatever is asked for, and
	// answerBurst how much more it may take at once.
	answerShare = 0.1
	answerBurst = time.Second
	// sharedFor is how old an answer may be that was made for another who asked at the same time.
	sharedFor = time.Second
)

// paced makes answers that are the same for everybody. Each who asks gets one of its own, as long as
// few do; a crowd, or somebody who asks without a pause, gets what others got. Its methods may be
// called at the same time.
type paced[T any] struct {
	make func() (T, error)

	mu   sync.Mutex
	last T             // guarded by mu; the newest without an error
	at   time.Time     // guarded by mu; when last was begun; zero if it is nothing
	left time.Duration // guarded by mu; what making may take now
	seen time.Time     // guarded by mu; when left was looked at last
}

func newPaced[T any](make func() (T, error)) *paced[T] {
	return &paced[T]{make: make, left: answerBurst, seen: time.Now()}
}

// get returns an answer: a new one, unless the last was made while this waited, or there is no time
// left for another.
func (p *paced[T]) get() (T, error) {
	waits := !p.mu.TryLock()
	if waits {
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	began := time.Now()
	p.left = min(answerBurst, p.left+time.Duration(answerShare*float64(began.Sub(p.seen))))
	p.seen = began
	if !p.at.IsZero() && (waits && began.Sub(p.at) < sharedFor || p.left <= 0) {
		return p.last, nil
	}
	got, err := p.make()
	p.left -= time.Since(began)
	if err == nil {
		p.last, p.at = got, began
	}
	return got, err
}

// whole is an answer that is kept. It is an http.ResponseWriter.
type whole struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *whole) Header() http.Header         { return a.header }
func (a *whole) WriteHeader(status int)      { a.status = status }
func (a *whole) Write(p []byte) (int, error) { return a.body.Write(p) }

// answerOf returns what a handler answers to somebody who asks for nothing special. It is an error if
// that is no success.
func answerOf(h http.Handler) (*whole, error) {
	a := &whole{header: make(http.Header), status: http.StatusOK}
	h.ServeHTTP(a, &http.Request{Method: http.MethodGet, Header: make(http.Header)})
	if a.status != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(a.body.String()))
	}
	return a, nil
}

// writeTo answers with what was kept.
func (a *whole) writeTo(w http.ResponseWriter) {
	w.Header().Set("Content-Type", a.header.Get("Content-Type"))
	_, _ = w.Write(a.body.Bytes()) // who asked may be gone
}
