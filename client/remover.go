package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// removeAfterAbort is how long the load files may take to be removed once the client
// was told to stop at once.
const removeAfterAbort = 2 * time.Second

// removeFolders removes folders with all that is in them, in a process of its own:
// a system call on a file system that does not answer cannot even be killed, and
// this process could not end either. Once abort is done it has removeAfterAbort
// left; then the error says so, and the other process goes on by itself.
func removeFolders(abort context.Context, executable string, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	remover := exec.Command(executable, append([]string{"worker", "remove"}, paths...)...)
	remover.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	if err := remover.Start(); err != nil {
		return RemoveFolders(paths)
	}
	ended := make(chan error, 1)
	go func() { ended <- remover.Wait() }() // outlives the client only with a stuck system call
	select {
	case err := <-ended:
		return removed(paths, err)
	case <-abort.Done():
	}
	timer := time.NewTimer(removeAfterAbort)
	defer timer.Stop()
	select {
	case err := <-ended:
		return removed(paths, err)
	case <-timer.C:
		_ = remover.Process.Kill() // it may just have ended
		return fmt.Errorf("removing load files does not end; what stays is in %s", strings.Join(paths, ", "))
	}
}

// removed makes up for a remover that could not do it, and finds out why.
func removed(paths []string, err error) error {
	if err == nil {
		return nil
	}
	return RemoveFolders(paths)
}

// removeFolder removes the folder of a client with what the client put there (see
// removeOurs); that it is gone is no error. No symbolic link in its place or below it is
// followed.
func removeFolder(path string) error {
	above, err := os.OpenRoot(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(removeOurs(above, filepath.Base(path)), above.Close())
}

// RemoveFolders removes the folders of clients, with all that clients put there. It tries
// each and returns every error. It is what `worker remove` does.
func RemoveFolders(paths []string) error {
	var problems []error
	for _, path := range paths {
		if !strings.HasPrefix(filepath.Base(path), workDirPrefix) {
			problems = append(problems, fmt.Errorf("%s is not the folder of a client", path))
			continue
		}
		err := removeFolder(path)
		switch {
		case err == nil:
		case errors.Is(err, errForeign):
			problems = append(problems, fmt.Errorf("%w; they stay", err))
		default:
			problems = append(problems, fmt.Errorf("load files are left in %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}
