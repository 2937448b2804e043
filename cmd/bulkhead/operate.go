package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"bulkhead/internal/config"
	"bulkhead/internal/terminal"
	"bulkhead/internal/version"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// operateTimeout bounds a call to a running supervisor, which answers in milliseconds
// unless it is stopped, or does nothing but take a long run up.
const operateTimeout = 4 * time.Second

// stateDirKeys are the settings that say which supervisor is meant.
func stateDirKeys() []config.Key {
	for _, k := range config.SupervisorKeys() {
		if k.Name == "state_dir" {
			return []config.Key{k}
		}
	}
	return nil
}

func statusCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the run of a running supervisor",
		Description: `One look at the run: its clients and how they are. ` + "`bulkhead top`" + ` goes on looking.

Examples:
  bulkhead supervisor status --state-dir /var/lib/bulkhead
  bulkhead supervisor status --json`,
		Flags:        append(settingFlags(stateDirKeys()), &cli.BoolFlag{Name: "json", Usage: "print JSON"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, stderr, func(call context.Context, c *supervisor.Control) error {
				s, err := c.Status(call, &bulkheadv1.StatusRequest{})
				if err != nil {
					return unanswered(c, "asking for the status", err)
				}
				if ctx.Bool("json") {
					data, err := protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true, UseProtoNames: true}.Marshal(s)
					if err != nil {
						return fmt.Errorf("printing the status: %w", err)
					}
					_, err = fmt.Fprintf(stdout, "%s\n", data)
					return err
				}
				return printStatus(stdout, s)
			})
		},
	}
}

func drainCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "drain",
		Usage: "ask every client to end its load, then report and exit",
		Description: `The run counts as interrupted by an operator, unless every load had ended already.

Example:
  bulkhead supervisor drain --state-dir /var/lib/bulkhead`,
		Flags:        settingFlags(stateDirKeys()),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, stderr, func(call context.Context, c *supervisor.Control) error {
				r, err := c.Drain(call, &bulkheadv1.DrainRequest{Reason: "bulkhead supervisor drain"})
				if err != nil {
					return unanswered(c, "asking for a drain", err)
				}
				_, err = fmt.Fprintf(stdout, "draining; sessions asked to end: %d\n", r.GetSessions())
				return err
			})
		},
	}
}

// upgradeTimeout bounds an upgrade, with the check of the new program.
const upgradeTimeout = time.Minute

// checkingAfter is after how long an upgrade says what it is doing.
const checkingAfter = 2 * time.Second

func upgradeCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "upgrade",
		Usage: "replace the program of a running supervisor in place",
		Description: `The program that is now at the path by which the supervisor was started is checked
first; symbolic links in that path are followed anew. It must start, read the
configuration, the state directory and the journal, and start a handler. Only then does it take the place of the running one, with the same process
id, arguments, listener, handlers and connections. A program that does not pass
changes nothing, and neither does one that is not the version which asks: that most
likely is not what is meant; --any-version goes on with it.

Example:
  bulkhead supervisor upgrade --state-dir /var/lib/bulkhead`,
		Flags:        append(settingFlags(stateDirKeys()), &cli.BoolFlag{Name: "any-version", Usage: "also if the program is not the version that asks"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, stderr, func(call context.Context, c *supervisor.Control) error {
				// The check takes its time; whether anybody is there does not.
				if _, err := c.Status(call, &bulkheadv1.StatusRequest{}); err != nil {
					return unanswered(c, "no upgrade", err)
				}
				call, cancel := context.WithTimeout(ctx.Context, upgradeTimeout)
				defer cancel()
				checking := time.AfterFunc(checkingAfter, func() {
					fmt.Fprintf(stderr, "bulkhead: supervisor pid %d is checking the new program; nothing is changed before\n", c.Pid)
				})
				defer checking.Stop()
				r, err := c.Upgrade(call, &bulkheadv1.UpgradeRequest{Version: version.String(), Build: version.Build(), AnyVersion: ctx.Bool("any-version")})
				if err != nil {
					return unanswered(c, "no upgrade", err)
				}
				return printUpgrade(stdout, r)
			})
		},
	}
}

// printUpgrade says what takes the place of what.
func printUpgrade(w io.Writer, r *bulkheadv1.UpgradeResponse) error {
	edition := func(version, build string) string {
		if build == "" {
			return "version " + version
		}
		return "version " + version + ", build " + build
	}
	from, to := edition(r.GetFromVersion(), r.GetFromBuild()), edition(r.GetVersion(), r.GetBuild())
	switch {
	case r.GetFromVersion() == "": // a supervisor that does not tell yet
		fmt.Fprintf(w, "upgrading in place; pid %d\n  to %s\n", r.GetPid(), to)
	case from == to:
		fmt.Fprintf(w, "upgrading in place; pid %d\n  the same program again, only its configuration is read anew: %s\n", r.GetPid(), to)
	default:
		fmt.Fprintf(w, "upgrading in place; pid %d\n  from %s\n  to %s\n", r.GetPid(), from, to)
	}
	path := r.GetProgram()
	if r.GetResolved() != path {
		path += " (" + r.GetResolved() + ")"
	}
	_, err := fmt.Fprintf(w, "  the program is %s\n", path)
	return err
}

// operate calls do with a connection to the supervisor that is meant, and with a
// context that is done after operateTimeout. It tells of unknown variables on stderr.
func operate(ctx *cli.Context, stderr io.Writer, do func(context.Context, *supervisor.Control) error) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
	printUnknownVariables(stderr)
	settings, err := config.LoadSupervisor(file, os.Environ(), overrides(ctx, stateDirKeys()))
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx.Context, operateTimeout)
	defer cancel()
	c, err := supervisor.DialControl(call, settings.StateDir)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(call, c)
}

// unanswered is why a call to the supervisor failed, for a person.
func unanswered(c *supervisor.Control, doing string, err error) error {
	who := "the supervisor"
	if c.Pid > 0 {
		who = fmt.Sprintf("supervisor pid %d", c.Pid)
	}
	switch s := status.Convert(err); s.Code() {
	case codes.DeadlineExceeded:
		return fmt.Errorf("%s: %s does not answer (is it stopped?)", doing, who)
	case codes.Unavailable:
		return fmt.Errorf("%s: %s has ended, is just ending or is being upgraded", doing, who)
	case codes.Canceled:
		return fmt.Errorf("%s: %w", doing, errInterrupted)
	default:
		return fmt.Errorf("%s: %s", doing, s.Message())
	}
}

// printStatus prints a snapshot for a person.
func printStatus(w io.Writer, s *bulkheadv1.StatusResponse) error {
	now := time.Unix(0, s.GetNowUnixNano())
	fmt.Fprintf(w, "%s; clients %d of %d; supervisor pid %d on %s\n",
		runLine(now, s), s.GetJoinedClients(), s.GetExpectedClients(), s.GetPid(), s.GetListen())
	if absent := s.GetAbsentNames(); len(absent) > 0 {
		more := ""
		if n := s.GetAbsentLeftOut(); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(w, "waiting for %s%s\n", strings.Join(absent, ", "), more)
	}
	if n := s.GetLostLogLines(); n > 0 {
		fmt.Fprintf(w, "nobody reads the supervisor's log: lines left out %d\n", n)
	}
	if why := s.GetDrainReason(); why != "" {
		fmt.Fprintf(w, "an operator drains the run: %s\n", why)
	}
	fmt.Fprintf(w, "connections %d accepted, %d rejected, %d shed; handlers %d busy, %d ready, %d starting; restarts %d\n",
		s.GetAcceptedConnections(), s.GetRejectedConnections(), s.GetShedConnections(),
		s.GetHandlersBusy(), s.GetPoolReady(), s.GetPoolStarting(), s.GetRestarts())
	printReserves(w, s.GetReserves())
	if len(s.GetSessions()) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tSTATE\tHANDLER\tPEER\tMESSAGES\tMSG/S\tWRITTEN\tRATE\tERRORS\tLAST MESSAGE\tRESUMES\tCAUSE")
	for _, c := range s.GetSessions() {
		pid := "-"
		if c.GetHandlerPid() != 0 {
			pid = fmt.Sprint(c.GetHandlerPid())
		}
		last := "-"
		if c.GetLastMessageUnixNano() != 0 {
			last = since(c.GetLastMessageAgoNano(), now, c.GetLastMessageUnixNano()) + " ago"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%.1f\t%.1f MB\t%.1f MB/s\t%d\t%s\t%d\t%s\n",
			c.GetName(), c.GetState(), pid, orDash(c.GetPeer()), c.GetDurableSeq(), c.GetMessagesPerSecond(),
			float64(c.GetBytes())/1e6, c.GetBytesPerSecond()/1e6, c.GetErrors(), last, c.GetResumes(), orDash(terminal.CauseAndNote(c)))
	}
	return t.Flush()
}

// printReserves prints what is left of the things that a supervisor must not run out of.
func printReserves(w io.Writer, reserves []*bulkheadv1.Reserve) {
	var left, reached []string
	for _, r := range reserves {
		name := strings.ToLower(strings.TrimPrefix(r.GetKind().String(), "RESERVE_KIND_"))
		amount := func(n uint64) string { return fmt.Sprint(n) }
		switch r.GetKind() {
		case bulkheadv1.ReserveKind_RESERVE_KIND_INBOXES, bulkheadv1.ReserveKind_RESERVE_KIND_DISK:
			amount = func(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
		}
		left = append(left, fmt.Sprintf("%s %s of %s", name, amount(r.GetLeft()), amount(r.GetLimit())))
		if r.GetReached() {
			reached = append(reached, fmt.Sprintf("%s (%s; %s are kept in reserve)", name, r.GetLimitedBy(), amount(r.GetReserve())))
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(w, "left: %s\n", strings.Join(left, ", "))
	}
	if len(reached) > 0 {
		fmt.Fprintf(w, "clients get no more of: %s\n", strings.Join(reached, ", "))
	}
}

// runLine says which run it is, how it is and for how long, as far as there is one.
func runLine(now time.Time, s *bulkheadv1.StatusResponse) string {
	switch {
	case s.GetRunId() == "":
		return "no run yet: " + s.GetState()
	case s.GetStartedUnixNano() == 0:
		return fmt.Sprintf("run %s: %s", s.GetRunId(), s.GetState())
	default:
		return fmt.Sprintf("run %s: %s for %s", s.GetRunId(), s.GetState(), since(s.GetLastedNano(), now, s.GetStartedUnixNano()))
	}
}

// since is how long ago something was: as it was measured, or, of an older supervisor, by
// its wall clock; 0s if that was set back and says that it is still to come.
func since(measured int64, now time.Time, then int64) string {
	if measured > 0 {
		return time.Duration(measured).Round(100 * time.Millisecond).String()
	}
	return max(0, now.Sub(time.Unix(0, then))).Round(100 * time.Millisecond).String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
