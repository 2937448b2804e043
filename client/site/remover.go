package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bulkhead/client/names"
	"bulkhead/internal/child"
)

const (
	// removeAfterAbort is how long the load files may take to be removed once the client
	// was told to stop at once, or gave them up.
	removeAfterAbort = 2 * time.Second
	// RemoveStall is how long nothing may be removed before the load files are given up:
	// much longer than the largest file takes.
	RemoveStall = time.Minute
	// RemoveStuck is that where a consumer is stuck in a system call that does not return.
	RemoveStuck = 3 * time.Second
	// removesAtOnce is how many folders are removed at the same time.
	removesAtOnce = 16
	// removeSay is how often is said that it is waited for.
	removeSay = 5 * time.Second
)

// Removal removes the folders of a client with all that is in them, each in a process of its
// own: a system call on a file system that does not answer cannot even be killed, and this
// process could not end either. What is on others is removed all the same.
type Removal struct {
	Executable string
	Paths      []string
	Stall      time.Duration // how long it may get on with nothing
	Log        *slog.Logger
}

// removedFolder is the end of one removal.
type removedFolder struct {
	path string
	err  error
}

// Run returns once the folders are removed and leave was called, or with an error: of
// what cannot be removed, or that nothing gets on. Once abort is done, or nothing was removed
// for stall, it has removeAfterAbort left; then what is stuck continues by itself.
func (r Removal) Run(abort context.Context, leave func()) error {
	cut, cancel := context.WithCancel(context.WithoutCancel(abort))
	defer cancel() // which kills those that are left
	progress := make(chan struct{}, 1)
	ended := make(chan removedFolder, len(r.Paths)+1)
	slots := make(chan struct{}, removesAtOnce)
	for _, path := range r.Paths {
		go func() { // outlives the client only with a stuck system call
			slots <- struct{}{}
			ended <- removedFolder{path, r.remove(cut, path, progress)}
			<-slots
		}()
	}
	waiting := slices.Clone(r.Paths)
	var problems []error
	var last *time.Timer // runs once they are given up
	var over <-chan time.Time
	began, since, said := time.Now(), time.Now(), time.Now()
	look := time.NewTicker(min(r.Stall, removeSay) / 2)
	defer look.Stop()
	aborted := abort.Done()
	left := false // leave was begun
	for {
		if len(waiting) == 0 && (left || len(problems) > 0) {
			return errors.Join(problems...)
		}
		if len(waiting) == 0 {
			left, waiting = true, []string{""}
			go func() { leave(); ended <- removedFolder{} }() // likewise
		}
		select {
		case one := <-ended:
			waiting = slices.DeleteFunc(waiting, func(path string) bool { return path == one.path })
			if one.err != nil {
				problems = append(problems, one.err)
			}
			since = time.Now()
		case <-progress:
			since = time.Now()
			if last != nil && aborted != nil { // it was only slow
				last.Stop()
				last, over = nil, nil
			}
		case <-look.C:
		case <-aborted:
			aborted, since = nil, since.Add(-r.Stall)
		case <-over:
			if left {
				waiting = r.Paths // around them
			}
			return errors.Join(append(problems,
				fmt.Errorf("removing load files took too long; what is left is in %s", strings.Join(waiting, ", ")))...)
		}
		now := time.Now()
		if now.Sub(said) >= removeSay && !left {
			said = now
			r.Log.Warn(fmt.Sprintf("waiting for load files to be removed in %s; %s", strings.Join(waiting, ", "),
				now.Sub(began).Round(time.Second)),
				"given_up_after_nothing_for", r.Stall)
		}
		if last == nil && now.Sub(since) >= r.Stall {
			last = time.NewTimer(removeAfterAbort)
			defer last.Stop()
			over = last.C
		}
	}
}

// remove starts the other process, and makes up for it if it could not do its work, and finds
// out why. It kills it when cut is done.
func (r Removal) remove(cut context.Context, path string, progress chan<- struct{}) error {
	removed := func() {
		select {
		case progress <- struct{}{}:
		default: // not noticed yet
		}
	}
	remover := exec.CommandContext(cut, r.Executable, "worker", "remove", path)
	remover.Env = removerEnv()
	remover.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	out, err := remover.StdoutPipe()
	if err == nil {
		err = child.Aside(remover)
	}
	if err == nil {
		for buffer := make([]byte, 4096); err == nil; {
			if _, err = out.Read(buffer); err == nil {
				removed()
			}
		}
		err = remover.Wait()
	}
	if err == nil || cut.Err() != nil {
		return err
	}
	return RemoveFolders([]string{path}, removed)
}

// removerEnv returns the environment of the process that removes: nothing of this one's, which may
// have secrets, but what a program that looks for races needs to end at once.
func removerEnv() []string {
	env := []string{}
	if detector, set := os.LookupEnv("GORACE"); set {
		env = append(env, "GORACE="+detector)
	}
	return env
}

// removeFolder removes the folder of a client with what the client put there (see
// removeOurs); that it is gone is no error. No symbolic link in its place or below it is
// followed.
func removeFolder(path string, removed func()) error {
	above, err := os.OpenRoot(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(removeOurs(above, filepath.Base(path), removed), above.Close())
}

// RemoveFolders removes the folders of clients, with all that clients put there. It tries
// each and returns every error. removed, if not nil, is called for each file that was. It
// is what `worker remove` does.
func RemoveFolders(paths []string, removed func()) error {
	var problems []error
	for _, path := range paths {
		if !strings.HasPrefix(filepath.Base(path), names.WorkDirPrefix) {
			problems = append(problems, fmt.Errorf("%s is not the folder of a client", path))
			continue
		}
		err := removeFolder(path, removed)
		switch {
		case err == nil:
		case errors.Is(err, ErrForeign):
			problems = append(problems, fmt.Errorf("%w; they stay", err))
		default:
			problems = append(problems, fmt.Errorf("load files are left in %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}
