package sandbox

import (
	"errors"
	"os"
	"slices"
	"testing"
)

func TestAnOrderIsReadAsItWasWritten(t *testing.T) {
	for _, o := range []Order{
		{Level: Off},
		{Level: Strict, Layers: All(true), Memory: 512 << 20, Uid: 65534, Gid: 65533, Network: 4026531840, Fatal: true},
		{Level: BestEffort, Layers: All(false), Memory: 1},
	} {
		if got, err := ParseOrder(o.String()); err != nil || got != o {
			t.Errorf("%+v is read as %+v, %v", o, got, err)
		}
	}
	if o, err := ParseOrder(""); err != nil || o.Level != Off {
		t.Errorf("no order: %+v, %v; want to lock nothing", o, err)
	}
	for _, text := range []string{"level=", "level=loose", "memory=-1", "layers=x", "level=off hello", "uid"} {
		if o, err := ParseOrder(text); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%q: %+v, %v; want os.ErrInvalid", text, o, err)
		}
	}
}

func TestWhatAHandlerSaysIsHeard(t *testing.T) {
	o := Order{Level: BestEffort, Layers: All(false)}
	for _, missing := range [][]Missing{nil, {{Landlock, "the kernel has none"}},
		{{User, "setresuid(65534): EAGAIN: odd"}, {Calls, ""}}} {
		if got := o.Heard(Say(missing)); !slices.Equal(got, missing) {
			t.Errorf("%v is heard as %v", missing, got)
		}
	}
	for _, said := range [][]string{nil, {""}, {"landlock: the kernel has none"}} {
		if got := o.Heard(said); len(got) != 5 {
			t.Errorf("%q is heard as %v; want every layer of an ordinary user", said, got)
		}
	}
	// A layer that this version does not know was not asked for, and is not missed.
	if got := o.Heard([]string{Locked, "moat: no water"}); got != nil {
		t.Errorf("a layer of another version is heard as %v", got)
	}
}

func TestWords(t *testing.T) {
	got := Words([]Missing{{Root, "EPERM"}, {Landlock, "the kernel has none"}, {User, "EPERM"}})
	if want := "root, user (EPERM); landlock (the kernel has none)"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

// Of each layer that the kernel shows, a process that does not have it is found out.
func TestCheck(t *testing.T) {
	o := Order{Layers: All(true), Uid: 65534, Gid: 65533}
	good := func() status {
		return status{"Uid": "65534\t65534\t65534\t65534", "Gid": "65533\t65533\t65533\t65533", "Groups": "",
			"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000",
			"CapAmb": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}
	}
	if err := good().check(o.Layers, o); err != nil {
		t.Fatal(err)
	}
	for line, tt := range map[string]struct {
		value string
		layer Layer
	}{
		"Uid": {"65534\t0\t65534\t65534", User}, "Gid": {"0\t65533\t65533\t65533", User}, "Groups": {"0", User},
		"CapEff": {"0000000000200000", Capabilities}, "CapPrm": {"0000000000000001", Capabilities},
		"CapInh": {"", Capabilities}, "CapAmb": {"0000000000000001", Capabilities},
		"NoNewPrivs": {"0", Privileges}, "Seccomp": {"0", Calls},
	} {
		s := good()
		s[line] = tt.value
		if err := s.check(o.Layers, o); !errors.Is(err, ErrLied) {
			t.Errorf("%s %q: %v; want ErrLied", line, tt.value, err)
		}
		if err := s.check(o.Layers.Without(tt.layer), o); err != nil {
			t.Errorf("%s %q without the layer: %v", line, tt.value, err)
		}
	}
}

// This process is as the kernel says, whatever that is.
func TestTheKernelIsAsked(t *testing.T) {
	o := Order{Layers: Layers(0).With(Privileges).With(Calls)}
	bare, err := Bare(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(os.Getpid(), o, nil); bare != errors.Is(err, ErrLied) {
		t.Errorf("bare: %v, and checked: %v", bare, err)
	}
	if err := Check(os.Getpid(), o, []Missing{{Privileges, ""}, {Calls, ""}}); err != nil {
		t.Errorf("nothing is wanted: %v", err)
	}
	if err := Check(1<<22+1, o, nil); err == nil || errors.Is(err, ErrLied) {
		t.Errorf("no process: %v", err)
	}
}
