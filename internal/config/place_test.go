package config

import (
	"strings"
	"testing"
)

// A key that stands in the wrong place, or in the file of the wrong process, is told where
// it belongs.
func TestAKeyOfAnotherPlace(t *testing.T) {
	client := func(file string) error { _, err := LoadClient(file, nil, nil); return err }
	supervisor := func(file string) error { _, err := LoadSupervisor(file, nil, nil); return err }
	for _, row := range []struct {
		load       func(string) error
		yaml, want string
	}{
		{client, "log_level: debug", "did you mean level inside log? valid here: "},
		{client, "log-level: debug", "did you mean level inside log? valid here: "},
		{client, "spool_memroy: 1MiB", "did you mean memory inside spool? valid here: "},
		{client, "consumers: [{rate_bytes: 1MB}]", "did you mean bytes inside rate? valid here: "},
		{client, "state_dir: x", "it is a key of a supervisor; valid here: "},
		{client, "journal: {sync: none}", "it is a key of a supervisor; valid here: "},
		{client, "client: {runtime: 3s}", "write the keys inside it at the top of the file; valid here: "},
		{client, "foobar: 1", "valid here: "},
		{supervisor, "handler_pool: 3", "did you mean pool inside handler? valid here: "},
		{supervisor, "runtime: 3s", "it is a key of a client; valid here: "},
		{supervisor, "supervisor: {listen: x}", "write the keys inside it at the top of the file; valid here: "},
		{supervisor, "supervisor: 'a:7420'", "it is a key of a client; valid here: "},
		{supervisor, "client: {runtime: 3s}", "a client has a file of its own; valid here: "},
		{supervisor, "handler: {runtime: 3s}", "valid here: "},
	} {
		err := row.load(write(t, row.yaml))
		if err == nil || !strings.Contains(err.Error(), ": unknown key; "+row.want) {
			t.Errorf("%s:\n got %v\nwant %s", row.yaml, err, row.want)
		}
	}
}
