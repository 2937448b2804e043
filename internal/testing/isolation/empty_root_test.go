package isolation_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness/expect"
)

// The programs need nothing of the system that they run on: not its C library, not its
// users, not its name service. The root they get here has them and a folder for files.
func TestTheProgramsRunInAnEmptyRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, for chroot(2)")
	}
	if slices.Contains(buildFlags, "-race") {
		t.Skip("the race detector needs a C library")
	}
	root := newStateDir(t)
	for _, dir := range []string{"", "tmp", "dev", "proc"} {
		expect.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, program := range []string{"bulkhead", "bulkhead-handler"} {
		content, err := os.ReadFile(filepath.Join(bin, program))
		expect.NoError(t, err)
		expect.NoError(t, os.WriteFile(filepath.Join(root, program), content, 0o755))
	}
	null, err := os.Create(filepath.Join(root, "dev/null"))
	expect.NoError(t, err)
	null.Close()
	expect.NoError(t, syscall.Mount("/proc", filepath.Join(root, "proc"), "", syscall.MS_BIND|syscall.MS_REC, ""))
	t.Cleanup(func() { expect.NoError(t, syscall.Unmount(filepath.Join(root, "proc"), syscall.MNT_DETACH)) })
	expect.NoError(t, syscall.Mount("/dev/null", filepath.Join(root, "dev/null"), "", syscall.MS_BIND, ""))
	t.Cleanup(func() { expect.NoError(t, syscall.Unmount(filepath.Join(root, "dev/null"), syscall.MNT_DETACH)) })
	in := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/bulkhead", args...)
		cmd.Dir, cmd.Env = "/", []string{"TMPDIR=/tmp"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		return cmd
	}
	s := startCommand(t,
		stateCommand{in("supervisor", "start", "--listen", "127.0.0.1:0", "--state-dir", "/state", "--linger", "0s",
			"--log-format", "json"), filepath.Join(root, "state")})
	out, err := in("client", "--supervisor", s.Addr, "--runtime", "1s", "--consumers", "1", "--chunk-size", "4KiB",
		"--file-size", "64KiB",
		"--rate-bytes", "1MiB", "--path", "/load", "--work-dir", "/tmp").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code, err := s.Wait(patience); err != nil || code != exitComplete {
		t.Errorf("exit status %d, %v; want complete", code, err)
	}
}
