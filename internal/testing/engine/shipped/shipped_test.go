package shipped

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"bulkhead/internal/certs"
	"bulkhead/internal/testing/engine"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/cluster/contract"
	"bulkhead/supervisor/cluster/jetstream"
	"bulkhead/supervisor/report/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const configs = "../../../../configs/nats"

// users are those of users.conf.
var users = []string{"journal-writer", "journal-reader", "journal-admin"}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts three nodes with the shipped files, and returns the folder of the certificates.
func start(t *testing.T) (*engine.Cluster, string) {
	t.Helper()
	dir := t.TempDir()
	var nodes []string
	for i := range 3 {
		nodes = append(nodes, engine.HostOf(i))
	}
	_, err := certs.Init(dir, certs.Plan{Addresses: nodes, Nodes: nodes,
		Clients: append([]string{"stranger"}, users...), Valid: time.Hour})
	must(t, err)
	return engine.Start(t, engine.Options{Files: func(i int, folder string, ports []int) []engine.File {
		var files []engine.File
		for _, name := range []string{fmt.Sprintf("n%d.conf", i+1), "common.conf", "users.conf"} {
			text, err := os.ReadFile(filepath.Join(configs, name))
			must(t, err)
			files = append(files, engine.File{Name: name, Text: here(t, string(text), i, folder, dir, ports)})
		}
		return files
	}}), dir
}

// here returns a file with this test's addresses and paths. Each that is replaced must be there once
// at least in all files, so that nothing of the machine's own is used.
func here(t *testing.T, text string, i int, folder, certs string, ports []int) string {
	t.Helper()
	host, at := engine.HostOf(i), ports[3*i:]
	pairs := []string{
		"0.0.0.0:4222", fmt.Sprintf("%s:%d", host, at[0]), "0.0.0.0:8222", fmt.Sprintf("%s:%d", host, at[1]),
		"0.0.0.0:6222", fmt.Sprintf("%s:%d", host, at[2]), "/var/lib/bulkhead-nats", filepath.Join(folder, "store"),
		"/etc/bulkhead-nats/ca.crt", filepath.Join(certs, "ca.crt"),
		"/etc/bulkhead-nats/node.crt", filepath.Join(certs, host+".crt"),
		"/etc/bulkhead-nats/node.key", filepath.Join(certs, host+".key"), "100GB", "4GB",
	}
	for k := range 3 {
		pairs = append(pairs, fmt.Sprintf("n%d:6222", k+1), fmt.Sprintf("%s:%d", engine.HostOf(k), ports[3*k+2]))
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	if left := regexp.MustCompile(`0\.0\.0\.0|"?/(etc|var)/`).FindString(withoutComments(text)); left != "" {
		t.Fatalf("%s is left in\n%s", left, text)
	}
	return text
}

func withoutComments(text string) string {
	return regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(text, "")
}

// keyOf returns what proves a user.
func keyOf(dir, user string) access.Key {
	cert, key := certs.Files(user)
	return access.Key{CA: filepath.Join(dir, certs.CAFile), Cert: filepath.Join(dir, cert),
		CertKey: filepath.Join(dir, key)}
}

func optionsOf(t *testing.T, dir, user string) []nats.Option {
	t.Helper()
	options, err := keyOf(dir, user).Options()
	must(t, err)
	return options
}

// runs numbers the runs of this process.
var runs atomic.Int32

// TestShippedNodes starts three nodes as they are shipped. They pass a supervisor's start checks; the
// shipped user does all that a run needs; a reader reads it from each node.
func TestShippedNodes(t *testing.T) {
	c, dir := start(t)
	if p := jetstream.Check(t.Context(), c.Monitors(), jetstream.Need{MaxFrame: 4 << 20}); len(p) > 0 {
		t.Errorf("the start checks: %v", p)
	}
	last := ""
	contract.Test(t, func(*testing.T) contract.Joiner {
		run := fmt.Sprintf("run-%d", runs.Add(1))
		last = run
		return contract.Joiner{Join: func(t testing.TB) cluster.Run {
			r, err := jetstream.Join(t.Context(), jetstream.Config{Run: run, URLs: c.URLs(), Shards: 2,
				Options: optionsOf(t.(*testing.T), dir, "journal-writer"), Started: contract.Started(run),
				Patience: 40 * time.Second})
			must(t, err)
			t.Cleanup(func() { must(t, r.Close()) })
			return r
		}}
	})
	e, err := remote.New(access.Place{URLs: c.URLs(), Run: last}, keyOf(dir, "journal-reader"), c.Monitors())
	must(t, err)
	found, err := e.Check(t.Context())
	must(t, err)
	if !found.Clean {
		t.Errorf("a reader finds %+v", found)
	}
	list, err := e.List(t.Context())
	if err != nil || len(list) != int(runs.Load()) {
		t.Errorf("a reader finds %d runs: %v", len(list), err)
	}
}

// TestShippedPermissions tries what nobody may do: a writer to remove or change what is there, a reader
// to write, a stranger and one without a certificate to come in.
func TestShippedPermissions(t *testing.T) {
	c, dir := start(t)
	for _, user := range []string{"stranger", ""} {
		key := keyOf(dir, user)
		if user == "" {
			key.Cert, key.CertKey = "", ""
		}
		options, err := key.Options()
		must(t, err)
		if conn, err := nats.Connect(c.URLs()[0], options...); err == nil {
			conn.Close()
			t.Errorf("%q comes in", user)
		}
	}
	admin := connected(t, c, dir, "journal-admin")
	api, err := natsjs.New(admin)
	must(t, err)
	_, err = api.CreateStream(t.Context(),
		natsjs.StreamConfig{Name: "BH_r_0", Subjects: []string{"bh.r.0.>"}, Replicas: 3})
	must(t, err)
	_, err = api.Publish(t.Context(), "bh.r.0.run", nil)
	must(t, err)
	for _, user := range []string{"journal-writer", "journal-reader"} {
		conn := connected(t, c, dir, user)
		writer := user == "journal-writer"
		for subject, may := range map[string]bool{
			"bh.r.0.run":                            writer,
			"$JS.API.STREAM.CREATE.OTHER":           writer,
			"$JS.API.STREAM.DELETE.BH_r_0":          false,
			"$JS.API.STREAM.PURGE.BH_r_0":           false,
			"$JS.API.STREAM.UPDATE.BH_r_0":          false,
			"$JS.API.STREAM.MSG.DELETE.BH_r_0":      false,
			"$JS.API.STREAM.SNAPSHOT.BH_r_0":        false,
			"$JS.API.STREAM.RESTORE.BH_r_1":         false,
			"$JS.API.STREAM.PEER.REMOVE.BH_r_0":     false,
			"$JS.API.STREAM.LEADER.STEPDOWN.BH_r_0": false,
			"$JS.API.META.LEADER.STEPDOWN":          false,
			"$JS.API.ACCOUNT.PURGE.BULKHEAD":        false,
			"$SYS.REQ.SERVER.PING":                  false,
			"elsewhere":                             false,
			"$JS.API.STREAM.INFO.BH_r_0":            true,
			"$JS.API.STREAM.MSG.GET.BH_r_0":         true,
			"$JS.API.STREAM.LIST":                   true,
		} {
			if refused := refuses(t, conn, subject); refused == may {
				t.Errorf("%s is refused %s: %v", user, subject, refused)
			}
		}
	}
	info, err := api.Stream(t.Context(), "BH_r_0")
	if err != nil || info.CachedInfo().State.Msgs < 1 {
		t.Errorf("what was there is gone: %v", err)
	}
}

func connected(t *testing.T, c *engine.Cluster, dir, name string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(c.URLs()[0], append(optionsOf(t, dir, name),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // LastError has it
	must(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// refuses reports whether the engine refuses to take a message for a subject, which it says before it
// answers to the flush.
func refuses(t *testing.T, conn *nats.Conn, subject string) bool {
	t.Helper()
	must(t, conn.PublishRequest(subject, conn.NewInbox(), nil))
	must(t, conn.FlushTimeout(10*time.Second))
	last := conn.LastError()
	return errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), `"`+subject+`"`)
}

// TestShippedCompose compares the compose file with what the nodes read: each has its own settings,
// certificate and store, all that the settings name, and the user's name of the unit.
func TestShippedCompose(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(configs, "compose.yaml"))
	must(t, err)
	var file struct {
		Services map[string]struct {
			Image   string   `yaml:"image"`
			Command []string `yaml:"command"`
			Volumes []string `yaml:"volumes"`
		} `yaml:"services"`
		Volumes map[string]any `yaml:"volumes"`
	}
	must(t, yaml.Unmarshal(text, &file))
	module, err := os.ReadFile("../server/go.mod")
	must(t, err)
	for i := range 3 {
		name := fmt.Sprintf("n%d", i+1)
		s := file.Services[name]
		if len(s.Command) != 2 || s.Command[1] != "/etc/bulkhead-nats/"+name+".conf" {
			t.Errorf("%s runs %q", name, s.Command)
		}
		if v := strings.TrimPrefix(s.Image, "nats:"); !strings.Contains(string(module), "nats-server/v2 v"+v+" ") {
			t.Errorf("%s is of the image %s, and the tests are of another version", name, s.Image)
		}
		for _, want := range []string{"./" + name + ".conf:/etc/bulkhead-nats/" + name + ".conf:ro",
			"./common.conf:/etc/bulkhead-nats/common.conf:ro", "./users.conf:/etc/bulkhead-nats/users.conf:ro",
			"./certs/ca.crt:/etc/bulkhead-nats/ca.crt:ro", "./certs/" + name + ".crt:/etc/bulkhead-nats/node.crt:ro",
			"./certs/" + name + ".key:/etc/bulkhead-nats/node.key:ro", name + ":/var/lib/bulkhead-nats"} {
			if !slices.Contains(s.Volumes, want) {
				t.Errorf("%s lacks the volume %s", name, want)
			}
		}
		if _, there := file.Volumes[name]; !there || len(s.Volumes) != 7 {
			t.Errorf("%s has the volumes %q", name, s.Volumes)
		}
	}
	unit, err := os.ReadFile(filepath.Join(configs, "bulkhead-nats@.service"))
	must(t, err)
	for _, want := range []string{"--config /etc/bulkhead-nats/%i.conf", "StateDirectory=bulkhead-nats\n"} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("the unit lacks %q", want)
		}
	}
}
