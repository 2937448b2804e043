package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/client/names"
	"bulkhead/client/outbox"
	"bulkhead/client/session"
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ResendConfig says which spool to deliver, and to whom.
type ResendConfig struct {
	// Spool is the file that a client kept, or the folder that it is in.
	Spool string
	// Supervisor has the addresses, host:port, of the supervisors; that of a client's settings.
	Supervisor value.Addresses
	// Token is the shared secret, if the supervisor asks for one.
	Token string
	// TokenFile and TLS are as in a client's settings.
	TokenFile string
	TLS       config.ClientTLS
	// ConnectTimeout bounds the time until the supervisor's Welcome, and the time
	// without a connection after it; that of a client's settings.
	ConnectTimeout time.Duration
	// Keep leaves the spool in place when all of it was delivered.
	Keep bool
	// NextRun delivers the spool as a session of the current run when the one that
	// the client was in is over.
	NextRun bool
	// Logger receives the log; nil discards it.
	Logger *slog.Logger
}

// ResendResult is what became of a spool.
type ResendResult struct {
	// Path is the spool file; Removed says that it is gone.
	Path    string
	Removed bool
	// Name and ClientID are those of the client that wrote the spool.
	Name, ClientID string
	// FromRun is the run that the client was in, where that is not the one that was
	// delivered to: it is over, or else the supervisor does not know it.
	FromRun     string
	FromRunOver bool
	// RunID and SessionID are the supervisor's names for what was delivered.
	RunID, SessionID string
	// Messages is how many whole messages the spool holds, FirstSeq and LastSeq
	// their range, Durable how many of them the supervisor has now, and Known how
	// many of these it had before.
	Messages, FirstSeq, LastSeq, Durable, Known uint64
	// Unknown is the last of the earlier messages that the supervisor does not know,
	// UnknownFrom the first; 0 if there are none. The spool's messages then are a
	// session of their own, in which they have the numbers from 1.
	UnknownFrom, Unknown uint64
	// Lost says that the session under the client's own id was lost after message
	// LostAfter. What follows in the spool then is a session of its own as well.
	Lost      bool
	LostAfter uint64
	// Damage says where and how the spool is damaged; empty for a whole one.
	Damage string
	// Failure says why not everything was delivered; nil if it was.
	Failure error
}

// Complete reports whether the whole of the spool was delivered.
func (r ResendResult) Complete() bool { return r.Failure == nil && r.Damage == "" }

// Resend delivers a spool as the client that wrote it, to the end, and removes it.
// It returns an error if there is nothing to begin with: no spool, one that does not
// say whose it is, or one that is in use. What happens after that is in the result. The end of ctx ends it early.
func Resend(ctx context.Context, cfg ResendConfig) (ResendResult, error) {
	if err := cfg.resolve(); err != nil {
		return ResendResult{}, err
	}
	s, summary, err := outbox.OpenSpool(cfg.Spool)
	if err != nil {
		return ResendResult{}, err
	}
	defer s.File.Close()
	r := &resend{cfg: cfg, spool: s, summary: summary, instance: spec.NewInstance(), ResendResult: ResendResult{
		Path: s.File.Name(), Name: plaintext.Line(summary.Hello.GetName(), plaintext.MaxName),
		ClientID: summary.ClientID,
		Messages: uint64(summary.Messages), FirstSeq: summary.FirstSeq, LastSeq: summary.LastSeq,
	}}
	if summary.Damage != "" {
		r.Damage = fmt.Sprintf("at offset %d: %s", summary.Bytes, summary.Damage)
	}
	if summary.Messages > 0 {
		r.Failure = r.deliver(ctx)
	}
	if r.Complete() && !cfg.Keep {
		r.remove()
	}
	return r.ResendResult, nil
}

func (c *ResendConfig) resolve() error {
	defaults := config.DefaultClient()
	if len(c.Supervisor) == 0 {
		c.Supervisor = defaults.Supervisor
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, defaults.ConnectTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.Supervisor, err = value.NewAddresses(c.Supervisor); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	return session.CheckFiles(c.TLS, c.TokenFile)
}

// resend is one call of Resend.
type resend struct {
	ResendResult
	cfg     ResendConfig
	spool   *outbox.Spool
	summary outbox.SpoolSummary
	// instance tells this process from others with the ids that it uses.
	instance []byte
}

// cut reports whether messages are missing behind those that can be read, though not because the
// file just ends there.
func (r *resend) cut() bool { return r.summary.Damage != "" && !r.summary.Torn }

// deliver delivers the spool under its own name, in the run that its client was in. If
// the supervisor does not know that run, or what came before, the spool becomes a session of its
// own, because the numbers of
// a session have no gaps. The session under the old name stays open meanwhile: a
// supervisor whose only client it is would otherwise end its run. A session that was
// lost takes nothing, so what it lacks becomes a session of its own, too.
func (r *resend) deliver(ctx context.Context) error {
	hello := proto.CloneOf(r.summary.Hello)
	before := r.FirstSeq - 1
	box, err := outbox.FromSpool(hello, r.spool, 0, r.Messages, before, r.cut())
	if err != nil {
		return err
	}
	gaps := make(chan outbox.GapError, 1)
	box.OnGap = func(g outbox.GapError) {
		select {
		case gaps <- g:
		default: // known already
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	own := r.session(hello, box)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	done := make(chan error, 1)
	running.Go(func() { done <- own.Run(ctx) }) // ended by cancel
	select {
	case err := <-done:
		err = r.delivered(own, box, 0, before, err)
		to, is := r.elsewhere(err)
		switch {
		case to.Over && to.After >= r.LastSeq: // that run has all of it, and only its ack was lost
			r.RunID, r.Known, r.Durable = r.summary.Hello.GetRunId(), r.Messages, r.Messages
			return nil
		case is:
			return r.begin(ctx, to, before)
		case to.Over && !r.cfg.NextRun:
			return fmt.Errorf("%w; with --next-run the messages become a session of the current run", err)
		}
		over, is := lost(err)
		if !is {
			return err
		}
		r.Lost, r.LostAfter, r.RunID, r.SessionID = true, over.After, over.Run, ""
		if over.After < r.LastSeq {
			r.cfg.Logger.Warn(fmt.Sprintf("the session of this client was lost after message %d; delivering the rest "+
				"as a session of its own, numbered from 1", over.After))
		}
		if over.After < before {
			r.UnknownFrom, r.Unknown = over.After+1, before
		}
		return r.renumbered(ctx, over.Run, max(over.After, before)-before, nil)
	case gap := <-gaps:
		<-own.Welcomed
		r.UnknownFrom, r.Unknown = gap.After+1, gap.Acked
		r.cfg.Logger.Warn(fmt.Sprintf("this supervisor does not know messages %d to %d; delivering the rest as a "+
			"session of its own, numbered from 1", r.UnknownFrom, r.Unknown))
		if err := r.renumbered(ctx, own.First.GetRunId(), 0, nil); err != nil {
			return err
		}
		if gap.After > 0 {
			return nil // it is a session of this run with a hole, and stays away
		}
		box.Seal() // nothing is in it
		if err := <-done; err != nil {
			r.cfg.Logger.Warn("the empty session under the client's own id was not closed: " + err.Error())
		}
		return nil
	}
}

// elsewhere reports whether err is the supervisor's word that it does not have the run that
// the messages are of, and which one it has; empty if it does not say. A run that is over
// is one only if that was asked for.
func (r *resend) elsewhere(err error) (to session.Leaving, is bool) {
	switch why, about := session.RefusedRun(r.summary.Hello, err); why {
	case bulkheadv1.Reason_REASON_RUN_UNKNOWN:
		return session.Leaving{To: about[reason.Run]}, true
	case bulkheadv1.Reason_REASON_RUN_OVER:
		end, told := protocol.SessionOverOf(about)
		return session.Leaving{After: end.After, Over: true}, r.cfg.NextRun &&
			(!told || end.Outcome == bulkheadv1.Outcome_OUTCOME_LOST)
	default:
		return session.Leaving{}, false
	}
}

// begin delivers the spool as a session of the current run, though the client was in
// another one.
func (r *resend) begin(ctx context.Context, to session.Leaving, before uint64) error {
	from := r.summary.Hello
	r.FromRun, r.FromRunOver = from.GetRunId(), to.Over
	r.cfg.Logger.Warn(session.Move{From: r.FromRun, After: before, Over: to.Over}.String())
	after := max(before, min(to.After, r.LastSeq))
	if before > 0 && !to.Over {
		r.UnknownFrom, r.Unknown = 1, before
	}
	return r.renumbered(ctx, to.To, after-before, &bulkheadv1.Continuation{
		RunId: from.GetRunId(), ClientId: from.GetClientId(), After: after,
		Before: from.GetContinues().GetBefore() + after,
	})
}

// maxSessions bounds how many sessions of their own a spool may have been, one after
// the other lost before all of it was delivered.
const maxSessions = 100

// renumbered delivers what follows the first skip messages of the spool as a session of
// its own in a run, which continues one of another run unless that is nil; or, where that
// was begun and lost as well, the rest of it as a further one.
func (r *resend) renumbered(ctx context.Context, run string, skip uint64, continues *bulkheadv1.Continuation) error {
	id, after := spec.Secret(r.summary.Hello.GetClientId()), r.FirstSeq-1+skip
	for range maxSessions {
		if skip >= r.Messages {
			r.Known, r.Durable = r.Messages, r.Messages
			return nil
		}
		id = protocol.RestID(id[:], run, after)
		hello := proto.CloneOf(r.summary.Hello)
		hello.ClientId, hello.RunId, hello.Continues = id[:], run, continues
		box, err := outbox.FromSpool(hello, r.spool, skip, r.Messages-skip, 0, r.cut())
		if err != nil {
			return err
		}
		s := r.session(hello, box)
		err = r.delivered(s, box, skip, 0, s.Run(ctx))
		over, is := lost(err)
		if !is {
			return err
		}
		if over.After > r.Messages-skip {
			return fmt.Errorf("%w; the supervisor has more of it than there is", err)
		}
		after, skip, continues = over.After, skip+over.After, nil
	}
	return fmt.Errorf("%d sessions with these messages were lost in run %s", maxSessions, run)
}

// lost reports whether err is the supervisor's word that a session was lost.
func lost(err error) (protocol.SessionOver, bool) {
	var r session.Refusal
	if !errors.As(err, &r) || r.Status.Code() != codes.FailedPrecondition {
		return protocol.SessionOver{}, false
	}
	why, about := reason.Of(r.Status)
	over, is := protocol.SessionOverOf(about)
	return over, is && why == bulkheadv1.Reason_REASON_SESSION_LOST
}

func (r *resend) session(hello *bulkheadv1.Hello, box *outbox.Outbox) *session.Session {
	hello.Token, hello.Resent, hello.Instance = r.cfg.Token, true, r.instance
	s := session.New(spec.Config{Supervisor: r.cfg.Supervisor, TLS: r.cfg.TLS, TokenFile: r.cfg.TokenFile,
		ConnectTimeout: r.cfg.ConnectTimeout, Logger: r.cfg.Logger}, hello, box)
	s.AwayTimeout = r.cfg.ConnectTimeout
	return s
}

// delivered notes what came of a session that has the messages behind the first skip,
// numbered after base.
func (r *resend) delivered(s *session.Session, box *outbox.Outbox, skip, base uint64, err error) error {
	select {
	case <-s.Welcomed:
		r.RunID, r.SessionID = s.First.GetRunId(), s.First.GetSessionId()
		r.Known = min(skip+max(s.First.GetResumeAfter(), base)-base, r.Messages)
	default:
		r.Known = skip
	}
	r.Durable = min(skip+max(box.State().Acked, base)-base, r.Messages)
	switch {
	case errors.Is(err, outbox.ErrCutOff):
		return nil // the damage says it all
	case session.Quarantined(err):
		return fmt.Errorf("%w; the spool is poison: sending it again is of no use", err)
	}
	return err
}

// remove removes the spool, and the folder that its client made for it if nothing
// else is in it.
func (r *resend) remove() {
	if err := os.Remove(r.Path); err != nil {
		r.cfg.Logger.Error("removing the spool: " + err.Error())
		return
	}
	r.Removed = true
	if folder := filepath.Dir(r.Path); strings.HasPrefix(filepath.Base(folder), names.WorkDirPrefix) {
		_ = os.Remove(folder) // not empty: somebody else's things are in it
	}
}

// resendCommand returns the command line that delivers the spool of a client.
func resendCommand(cfg spec.Config, spool string) string {
	command := "bulkhead client resend --supervisor " + shellWord(cfg.Supervisor.String())
	for _, one := range []struct{ flag, value string }{{"--token-file", cfg.TokenFile}, {"--tls-ca", cfg.TLS.CA},
		{"--tls-cert", cfg.TLS.Cert}, {"--tls-key", cfg.TLS.Key}, {"--tls-server-name", cfg.TLS.ServerName}} {
		if one.value != "" {
			command += " " + one.flag + " " + shellWord(one.value)
		}
	}
	command += " " + shellWord(spool)
	if cfg.Token != "" {
		command = "BULKHEAD_TOKEN=… " + command
	}
	return command
}

// shellWord returns a word as a shell reads it.
func shellWord(word string) string {
	plain := !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,[]", r)
	})
	switch {
	case plain && word != "":
		return word
	case strings.ContainsFunc(word, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }):
		return "$'" + pathname.Printable(strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(word)) + "'"
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
