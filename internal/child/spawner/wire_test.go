package spawner

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestARequestArrivesAsItWas(t *testing.T) {
	for _, r := range []Request{
		{Path: "/bin/true", Args: []string{"true"}},
		{Path: "/bin/x", Dir: "/", Args: []string{"x", "", "a b"}, Env: []string{"A=1", "B=\xff"},
			Files: []int{0, 1, -1, 2}, TimerSlack: 4 * time.Millisecond},
	} {
		b, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseRequest(b, 3); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("got %+v, %v; want %+v", got, err, r)
		}
		for i := range b {
			if got, err := ParseRequest(b[:i], 3); !errors.Is(err, os.ErrInvalid) {
				t.Errorf("%d of %d bytes are %+v, %v", i, len(b), got, err)
			}
		}
		if _, err := ParseRequest(append(b, 0), 3); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("with a byte too many: %v", err)
		}
	}
	r := Request{Path: "/bin/x", Args: []string{"x"}, Files: []int{1}}
	b, _ := r.Append(nil)
	if _, err := ParseRequest(b, 1); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("with a descriptor that did not come: %v", err)
	}
	r.Args = []string{strings.Repeat("x", MaxRequestBytes)}
	if _, err := r.Append(nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a request that is too large: %v", err)
	}
}

func FuzzParseRequest(f *testing.F) {
	seed := Request{Path: "/bin/x", Dir: "/", Args: []string{"x"}, Env: []string{"A=1"}, Files: []int{0, -1}}
	b, _ := seed.Append(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b, 1)
		if err != nil {
			return
		}
		again, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseRequest(again, 1); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v became %+v, %v", r, got, err)
		}
	})
}

func TestAnAnswerArrivesAsItWas(t *testing.T) {
	for _, a := range []Answer{Hello(), {Pid: 7}, {Errno: 2}} {
		if got, err := ParseAnswer(a.Bytes()); err != nil || got != a {
			t.Errorf("got %+v, %v; want %+v", got, err, a)
		}
	}
	if _, err := ParseAnswer([]byte("1234567")); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a short answer: %v", err)
	}
}
