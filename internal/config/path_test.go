package config

import (
	"strings"
	"testing"
)

// A path that only a shell would put its value in for is refused; others with these letters
// are not.
func TestPathsOfShells(t *testing.T) {
	for _, row := range []struct{ yaml, want string }{
		{"path: ~/load", `~ is not expanded here; use an absolute path`},
		{"path: ~user/load", `~ is not expanded here; use an absolute path`},
		{"path: $HOME/load", `$HOME is not expanded here; use an absolute path`},
		{"path: $HOME", `$HOME is not expanded here; use an absolute path`},
		{"work_dir: ${TMP}/x", `${TMP} is not expanded here; use an absolute path`},
	} {
		_, err := LoadClient(write(t, row.yaml), nil, nil)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+row.want) {
			t.Errorf("%s:\n got %v\nwant %s", row.yaml, err, row.want)
		}
	}
	if _, err := LoadSupervisor("", []string{"BULKHEAD_STATE_DIR=~/state"}, nil); err == nil {
		t.Error("a state_dir of ~/state is taken")
	}
	for _, path := range []string{"a~b", "./~", "./$x", "a/$b", "~", "$", "$1/x", "~a"} {
		if c, err := LoadClient("", []string{"BULKHEAD_PATH=" + path}, nil); err != nil || c.Consumer.Path != path {
			t.Errorf("path %q is refused: %v", path, err)
		}
	}
}
