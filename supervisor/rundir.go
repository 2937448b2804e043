package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/rundir"
)

// runFile is run.json: what a person wants to know of a run without its journal.
type runFile struct {
	RunID   string           `json:"run_id"`
	Version string           `json:"version"`
	Go      string           `json:"go"`
	Pid     int              `json:"pid"`
	Listen  string           `json:"listen"`
	Host    *bulkheadv1.Host `json:"host"`
	Config  runFileConfig    `json:"config"`
}

type runFileConfig struct {
	Clients      int      `json:"clients"`
	ClientNames  []string `json:"client_names,omitempty"`
	Linger       string   `json:"linger"`
	StateDir     string   `json:"state_dir"`
	KeepRunning  bool     `json:"keep_running"`
	TokenSet     bool     `json:"token_set"`
	DrainTimeout string   `json:"drain_timeout"`
	HandlerPath  string   `json:"handler_path"`
	HandlerPool  int      `json:"handler_pool"`
	Grace        string   `json:"session_grace"`
	MaxFrame     uint32   `json:"session_max_frame_bytes"`
	MaxBatch     uint32   `json:"session_max_batch_messages"`
	JournalSync  string   `json:"journal_sync"`
}

// writeRunFile writes run.json. The token stays out of it.
func writeRunFile(cfg Config, id, dir string, listen net.Addr) error {
	data, err := json.MarshalIndent(runFile{
		RunID: id, Version: cfg.Version, Go: runtime.Version(), Pid: os.Getpid(), Listen: listen.String(),
		Host: rundir.Host(),
		Config: runFileConfig{
			Clients: cfg.Clients.Count, ClientNames: cfg.Clients.Names, Linger: cfg.Linger.String(),
			StateDir: cfg.StateDir, KeepRunning: cfg.KeepRunning,
			TokenSet: cfg.Token != "" || cfg.TokenFile != "", DrainTimeout: cfg.DrainTimeout.String(),
			HandlerPath: cfg.Handler.Path, HandlerPool: cfg.Handler.Pool,
			Grace: cfg.Session.Grace.String(), MaxFrame: uint32(cfg.Session.MaxFrame),
			MaxBatch: uint32(cfg.Session.MaxBatch), JournalSync: string(cfg.Journal.Sync),
		},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing run.json: %w", err)
	}
	return rundir.WriteWhole(filepath.Join(dir, rundir.RunFile), func(f *os.File) error {
		_, err := f.Write(append(data, '\n'))
		return err
	})
}

// failureOf returns the class of the reason why the supervisor had to stop, as report.Run.Failure
// has it.
func failureOf(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return report.FailureFullDisk
	}
	return ""
}

// writeReport builds the report from the journal and writes it beside it. failure is why
// the supervisor had to stop; nil if the run is over. A run that is not over is not marked as
// reported: it resumes once the cause is fixed. findings are what the verdict has besides.
func writeReport(dir string, failure error, findings ...string) (*report.Report, error) {
	rep, err := fold.FromJournal(filepath.Join(dir, rundir.JournalFolder))
	if err != nil {
		return nil, fmt.Errorf("building the report of %s: %w", dir, err)
	}
	rep.Verdict.Warnings = append(rep.Verdict.Warnings, findings...)
	failpoint.Hit("supervisor/before-report")
	if err := rundir.RemoveHalfWritten(dir); err != nil {
		return rep, fmt.Errorf("removing what is left of an earlier report: %w", err)
	}
	// The mark is the last: when it is there, the run is reported.
	kept := render.Kept()
	mark := slices.IndexFunc(kept, func(f render.Format) bool { return f.FileName() == report.FileName })
	files := append(slices.Delete(slices.Clone(kept), mark, mark+1), kept[mark])
	if failure != nil {
		judge.Failed(rep, failureOf(failure), failure.Error())
		files = files[:len(files)-1]
	}
	for _, f := range files {
		write := func(to *os.File) error { return f.Write(rep, to, nil) }
		if err := rundir.WriteWhole(filepath.Join(dir, f.FileName()), write); err != nil {
			return rep, fmt.Errorf("writing %s: %w", f.FileName(), err)
		}
	}
	if failure == nil {
		_ = recovery.Remove(filepath.Join(dir, rundir.JournalFolder)) // what stays takes space, and no more
	}
	failpoint.Hit("supervisor/after-report")
	return rep, nil
}
