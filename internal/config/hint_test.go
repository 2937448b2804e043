package config

import (
	"strings"
	"testing"
)

func TestHints(t *testing.T) {
	for _, row := range []struct{ yaml, want string }{
		{"runtime: 1d", `"1d" is not a duration; use 24h`},
		{"runtime: 2 days", `"2 days" is not a duration; use 48h`},
		{"runtime: 90sec", `"90sec" is not a duration; use 90s`},
		{"runtime: 5 minutes", `"5 minutes" is not a duration; use 5m`},
		{"runtime: 1 h", `"1 h" is not a duration; use 1h`},
		{"runtime: 30", `"30" has no unit; use 30s`},
		{"runtime: 3weeks", `"3weeks" is not a duration; use 504h`},
		{"runtime: 1m 30s", `"1m 30s" is not a duration; use 1m30s`},
		{"runtime: 1y", `"1y" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"runtime: 9999999999 h", `"9999999999 h" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"runtime: 0." + strings.Repeat("0", 100) + "1 s",
			`…" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"total_size: 10g", `"10g" is not a size; use 10GB or 10GiB`},
		{"chunk_size: 4k", `"4k" is not a size; use 4kB or 4KiB`},
		{"chunk_size: 4mb", `"4mb" is not a size; use 4MB or 4MiB`},
		{"chunk_size: 4mib", `"4mib" is not a size; use 4MiB`},
		{"chunk_size: 512b", `"512b" is not a size; use 512B`},
		{"chunk_size: 1.3k", `"1.3k" is not a size; use 1.3kB`},
		{"chunk_size: 4ki", `"4ki" is not a size; use 4KiB`},
		{"chunk_size: 4i", `"4i" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"total_size: 99999999999999999999t",
			`"99999999999999999999t" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"chunk_size: 4 mib", `"4 mib" has a space in it; use 4MiB`},
		{"chunk_size: 4 x", `has a space in it; write the unit right behind the number, as in 64MiB`},
		{"chunk_size: 4 MiB", `"4 MiB" has a space in it; use 4MiB`},
		{"supervisor: http://host:7000", `"http://host:7000" is not an address; leave out http://`},
		{"supervisor: host", `"host" is not an address; add the port, as in host:7420`},
		{"supervisor: 7000", `"7000" is not an address; use 127.0.0.1:7000`},
		{"supervisor: '::1'", `"::1" is not an address; add the port, as in [::1]:7420`},
		{"supervisor: 70000", `"70000" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"supervisor: " + strings.Repeat("h", 100), `…" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"keep: on", `"on" is neither true nor false; use true`},
		{"keep: True", `"True" is neither true nor false; use true`},
		{"keep: 1", `"1" is neither true nor false; use true`},
		{"keep: No", `"No" is neither true nor false; use false`},
	} {
		_, err := LoadClient(write(t, row.yaml), nil, nil)
		if err == nil || !strings.HasSuffix(err.Error(), row.want) {
			t.Errorf("%s:\n got %v\nwant %s", row.yaml, err, row.want)
		}
	}
	_, err := LoadSupervisor(write(t, "listen: 7000"), nil, nil)
	if err == nil || !strings.HasSuffix(err.Error(), `: "7000" is not an address; use :7000 or 127.0.0.1:7000`) {
		t.Error(err)
	}
}
