//go:build failpoints

package failpoint

import "testing"

func TestParse(t *testing.T) {
	got, err := parse(" a=kill ; b=panic@3;c=exit?/tmp/x=y;d=spin@2?f;")
	want := map[string]point{
		"a": {action: "kill"}, "b": {action: "panic", at: 3},
		"c": {action: "exit", file: "/tmp/x=y"}, "d": {action: "spin", at: 2, file: "f"},
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("parse = %v, %v; want %v", got, err, want)
	}
	for name, p := range want {
		if got[name] != p {
			t.Errorf("%s = %+v; want %+v", name, got[name], p)
		}
	}
	for _, bad := range []string{"a", "a=", "a=dance", "=kill", "a=kill@", "a=kill@0", "a=kill@x"} {
		if got, err := parse(bad); err == nil {
			t.Errorf("parse(%q) = %v; want an error", bad, got)
		}
	}
}
