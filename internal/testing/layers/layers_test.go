// Package layers holds the tests of the repository as a whole: which package may import
// which, how large a folder and how long a line may be, and where a document's links lead.
package layers

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table in docs/architecture.md anew")

// room is a package, or with a "/…" at its end a folder of them that import one another as
// they like, and the rooms that its packages may import, without its own.
type room struct {
	name string
	may  []string
}

// rooms lists every room. An import that is not here fails the test, and so does a row that
// allows one that nothing needs: an arrow is turned here first, or not at all.
var rooms = []room{
	{"cmd/bulkhead", []string{"client", "client/…", "handler/conformance", "supervisor",
		"supervisor/control", "supervisor/follow", "supervisor/upgrade", "supervisor/report",
		"supervisor/report/compare", "supervisor/report/judge", "supervisor/report/render",
		"supervisor/report/remote", "supervisor/report/repeats", "supervisor/report/saved",
		"supervisor/cluster/access", "internal/…", "proto/…"}},
	{"cmd/bulkhead-handler", []string{"handler", "internal/…"}},

	{"supervisor", []string{"supervisor/attendance", "supervisor/barrier", "supervisor/campaign", "supervisor/cluster",
		"supervisor/cluster/joined", "supervisor/cluster/members", "supervisor/cluster/single", "supervisor/conduct",
		"supervisor/control", "supervisor/custody",
		"supervisor/door", "supervisor/fleet", "supervisor/gather", "supervisor/identity", "supervisor/journal",
		"supervisor/pool", "supervisor/portion", "supervisor/raw", "supervisor/recovery", "supervisor/report",
		"supervisor/report/fold", "supervisor/report/judge", "supervisor/report/render", "supervisor/report/repeats",
		"supervisor/report/saved", "supervisor/reserve", "supervisor/rundir", "supervisor/share",
		"supervisor/threshold", "supervisor/upgrade", "supervisor/watch",
		"supervisor/web", "internal/…", "proto/…"}},
	{"supervisor/attendance", nil},
	{"supervisor/portion", nil},
	{"supervisor/barrier", []string{"supervisor/gather"}},
	{"supervisor/campaign", []string{"supervisor/fleet", "supervisor/rundir", "internal/…", "proto/…"}},
	{"supervisor/cluster", []string{"proto/…"}},
	{"supervisor/cluster/access", []string{"internal/…"}},
	{"supervisor/cluster/contract", []string{"supervisor/cluster", "supervisor/journal", "proto/…"}},
	{"supervisor/cluster/jetstream", []string{"supervisor/cluster", "supervisor/journal", "internal/…", "proto/…"}},
	{"supervisor/cluster/joined", []string{"supervisor/cluster", "supervisor/cluster/access",
		"supervisor/cluster/jetstream", "supervisor/cluster/patient", "supervisor/recovery", "internal/…", "proto/…"}},
	{"supervisor/cluster/members", nil},
	{"supervisor/cluster/patient", []string{"supervisor/cluster", "internal/…", "proto/…"}},
	{"supervisor/cluster/single", []string{"supervisor/cluster", "supervisor/journal", "internal/…", "proto/…"}},
	{"supervisor/conduct", []string{"internal/…", "proto/…"}},
	{"supervisor/control", []string{"supervisor/rundir", "proto/…"}},
	{"supervisor/custody", []string{"internal/…", "proto/…"}},
	{"supervisor/door", []string{"internal/…", "proto/…"}},
	{"supervisor/fleet", []string{"proto/…"}},
	{"supervisor/follow", []string{"supervisor/campaign", "supervisor/control", "supervisor/report/repeats",
		"supervisor/rundir", "internal/…", "proto/…"}},
	{"supervisor/gather", nil},
	{"supervisor/identity", []string{"internal/…", "proto/…"}},
	{"supervisor/journal", []string{"internal/…", "proto/…"}},
	{"supervisor/pool", []string{"supervisor/reserve", "internal/…"}},
	{"supervisor/raw", []string{"internal/…", "proto/…"}},
	{"supervisor/recovery", []string{"supervisor/conduct", "supervisor/journal", "supervisor/raw", "supervisor/watch",
		"internal/…", "proto/…"}},
	{"supervisor/reserve", []string{"internal/…", "proto/…"}},
	{"supervisor/rundir", []string{"supervisor/report", "internal/…", "proto/…"}},
	{"supervisor/share", nil},
	{"supervisor/threshold", []string{"supervisor/raw", "internal/…", "proto/…"}},
	{"supervisor/upgrade", []string{"supervisor/report", "internal/…", "proto/…"}},
	{"supervisor/watch", []string{"internal/…", "proto/…"}},
	{"supervisor/web", []string{"supervisor/journal", "supervisor/report/fold", "supervisor/report/render",
		"internal/…", "proto/…"}},

	{"supervisor/report", []string{"internal/…"}},
	{"supervisor/report/words", []string{"supervisor/report", "internal/…"}},
	{"supervisor/report/judge", []string{"supervisor/journal", "supervisor/report", "supervisor/report/words",
		"internal/…"}},
	{"supervisor/report/fold", []string{"supervisor/attendance", "supervisor/cluster", "supervisor/journal",
		"supervisor/report",
		"supervisor/report/fold/machine", "supervisor/report/fold/turnout", "supervisor/report/judge",
		"supervisor/report/words", "internal/…",
		"proto/…"}},
	{"supervisor/report/fold/machine", []string{"supervisor/report", "internal/…", "proto/…"}},
	{"supervisor/report/fold/turnout", []string{"supervisor/report"}},
	{"supervisor/report/render", []string{"supervisor/report", "supervisor/report/judge", "supervisor/report/words",
		"internal/…"}},
	{"supervisor/report/compare", []string{"supervisor/report", "supervisor/report/judge", "supervisor/report/render",
		"supervisor/report/words", "internal/…"}},
	{"supervisor/report/repeats", []string{"supervisor/report", "supervisor/report/render", "internal/…"}},
	{"supervisor/report/remote", []string{"supervisor/cluster", "supervisor/cluster/access",
		"supervisor/cluster/jetstream", "supervisor/report", "supervisor/report/render", "supervisor/report/saved",
		"supervisor/rundir", "internal/…"}},
	{"supervisor/report/saved", []string{"supervisor/campaign", "supervisor/journal", "supervisor/recovery",
		"supervisor/report", "supervisor/report/fold", "supervisor/report/repeats", "supervisor/report/words",
		"supervisor/rundir", "internal/…"}},
	{"supervisor/report/stories", nil},

	{"handler", []string{"handler/intact", "handler/plain", "handler/secure", "internal/…", "proto/…"}},
	{"handler/intact", nil},
	{"handler/plain", []string{"proto/…"}},
	{"handler/secure", []string{"proto/…"}},
	{"handler/conformance", []string{"handler", "internal/…", "proto/…"}},

	{"client", []string{"client/budget", "client/names", "client/outbox", "client/preflight", "client/session",
		"client/site", "client/spec", "internal/…", "proto/…"}},
	{"client/agent", []string{"client/names", "client/session", "client/site", "client/spec", "internal/…",
		"proto/…"}},
	{"client/block", []string{"proto/…"}},
	{"client/budget", nil},
	{"client/names", nil},
	{"client/verify", []string{"client/block", "client/names", "internal/…"}},
	{"client/consumer", []string{"client/block", "client/budget", "client/consumer/disk", "client/consumer/layout",
		"client/consumer/numbers", "client/consumer/schedule",
		"client/names", "client/neighbour", "client/verify", "internal/…", "proto/…"}},
	{"client/neighbour", []string{"client/block", "client/names"}},
	{"client/consumer/disk", []string{"client/block", "client/names", "client/verify", "internal/…"}},
	{"client/consumer/layout", []string{"internal/…", "proto/…"}},
	{"client/consumer/numbers", nil},
	{"client/consumer/schedule", []string{"internal/…"}},
	{"client/machine", []string{"internal/…", "proto/…"}},
	{"client/monitor", []string{"client/machine", "internal/…", "proto/…"}},
	{"client/spec", []string{"internal/…", "proto/…"}},
	{"client/outbox", []string{"client/names", "client/spec", "internal/…", "proto/…"}},
	{"client/route", nil},
	{"client/session", []string{"client/outbox", "client/route", "client/spec", "internal/…", "proto/…"}},
	{"client/site", []string{"client/names", "client/spec", "internal/…"}},
	{"client/preflight", []string{"client/block", "client/names", "client/site", "client/spec", "internal/…",
		"proto/…"}},

	{"internal/…", []string{"proto/…"}},
	{"proto/…", nil},

	// No product imports these, only tests do.
	{"internal/testing/…", []string{"client/…", "supervisor/report", "supervisor/report/fold",
		"supervisor/report/judge", "supervisor/report/words", "internal/…", "proto/…"}},
	{"internal/tools/…", []string{"client/session", "supervisor/door", "supervisor/journal", "supervisor/pool",
		"supervisor/recovery", "internal/testing/…", "internal/…", "proto/…"}},
}

// roomOf returns the room of a package: the one with the longest name that fits.
func roomOf(pkg string) string {
	best := ""
	for _, r := range rooms {
		if (r.name == pkg || fits(r.name, pkg)) && len(r.name) > len(best) {
			best = r.name
		}
	}
	return best
}

// fits reports whether a package is in the folder that a name with "/…" names.
func fits(name, pkg string) bool {
	folder, is := strings.CutSuffix(name, "…")
	return is && strings.HasPrefix(pkg+"/", folder)
}

func TestImportsRunOneWay(t *testing.T) {
	needed := make(map[string]map[string]bool) // by room: what of it was needed
	for _, r := range rooms {
		needed[r.name] = make(map[string]bool)
	}
	for _, line := range goList(t) {
		pkg, imports, _ := strings.Cut(line, " ")
		from := roomOf(pkg)
		if from == "" {
			t.Errorf("%s is in no room: give it a row in the table", pkg)
			continue
		}
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == from })
		for to := range strings.FieldsSeq(imports) {
			to, ours := strings.CutPrefix(to, module+"/")
			if !ours || roomOf(to) == from {
				continue
			}
			// "internal/…" is its room alone: internal/testing and internal/tools lie in that
			// folder too, and a room that may import one of them says so.
			j := slices.IndexFunc(rooms[i].may, func(name string) bool {
				return name == to || name == roomOf(to) || fits(name, to) && !strings.Contains(name, "internal")
			})
			if j < 0 {
				t.Errorf("%s imports %s: %s may import %s", pkg, to, from, listed(rooms[i].may))
				continue
			}
			needed[from][rooms[i].may[j]] = true
		}
	}
	for _, r := range rooms {
		for _, name := range r.may {
			if !needed[r.name][name] {
				t.Errorf("%s may import %s, and does not: take it from the table", r.name, name)
			}
		}
	}
}

const module = "bulkhead"

// root is the module's folder.
var root = filepath.Join("..", "..", "..")

// goList returns each package of the module with what it imports. What only its tests import is
// left out (.TestImports, .XTestImports), for they may import anything: a test of the client may
// start a supervisor.
func goList(t *testing.T) []string {
	t.Helper()
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = root
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimPrefix(strings.TrimSpace(line), module+"/"))
	}
	if len(lines) < len(rooms) {
		t.Fatalf("go list knows %d packages, and the table has %d rows", len(lines), len(rooms))
	}
	return lines
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing of ours"
	}
	return strings.Join(names, ", ")
}

// TestFoldersAreSmall keeps every folder of the product small.
func TestFoldersAreSmall(t *testing.T) {
	most := map[string]int{ // where there is more than enough, and why
		"supervisor": 43, // the one machine of run, processor, link and takeup
	}
	const enough = 25
	for _, line := range goList(t) {
		pkg, _, _ := strings.Cut(line, " ")
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
		if allowed := max(most[pkg], enough); len(files) > allowed {
			t.Errorf("%s has %d files; at most %d are allowed: make a room of its own for an idea", pkg, len(files),
				allowed)
		}
	}
}

// TestArchitectureShowsTheTable checks that docs/architecture.md shows the table.
func TestArchitectureShowsTheTable(t *testing.T) {
	const begin, end = "<!-- rooms -->\n", "<!-- end of rooms -->\n"
	path := filepath.Join(root, "docs", "architecture.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	shown, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table of rooms between %q and %q", path, begin, end)
	}
	var want strings.Builder
	want.WriteString("\n| room | may import |\n|---|---|\n")
	for _, r := range rooms {
		fmt.Fprintf(&want, "| %s | %s |\n", r.name, listed(r.may))
	}
	want.WriteString("\n")
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != want.String() {
		t.Errorf("%s shows another table; write it with go test ./internal/testing/layers -update", path)
	}
}
