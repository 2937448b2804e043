package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// operateTimeout bounds a call to a running supervisor.
const operateTimeout = 10 * time.Second

// stateDirKeys are the settings that say which supervisor is meant.
func stateDirKeys() []config.Key {
	for _, k := range config.SupervisorKeys() {
		if k.Name == "state_dir" {
			return []config.Key{k}
		}
	}
	return nil
}

func statusCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:         "status",
		Usage:        "show the run of a running supervisor",
		Flags:        append(settingFlags(stateDirKeys()), &cli.BoolFlag{Name: "json", Usage: "print JSON"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, func(call context.Context, c *supervisor.Control) error {
				s, err := c.Status(call, &bulkheadv1.StatusRequest{})
				if err != nil {
					return fmt.Errorf("asking for the status: %s", status.Convert(err).Message())
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

func drainCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:         "drain",
		Usage:        "ask every client to end its load, then report and exit",
		Flags:        settingFlags(stateDirKeys()),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, func(call context.Context, c *supervisor.Control) error {
				r, err := c.Drain(call, &bulkheadv1.DrainRequest{Reason: "bulkhead supervisor drain"})
				if err != nil {
					return fmt.Errorf("asking for a drain: %s", status.Convert(err).Message())
				}
				_, err = fmt.Fprintf(stdout, "draining; sessions asked to end: %d\n", r.GetSessions())
				return err
			})
		},
	}
}

// operate calls do with a connection to the supervisor that is meant.
func operate(ctx *cli.Context, do func(context.Context, *supervisor.Control) error) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
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

// printStatus prints a snapshot for a person.
func printStatus(w io.Writer, s *bulkheadv1.StatusResponse) error {
	now := time.Unix(0, s.GetNowUnixNano())
	fmt.Fprintf(w, "run %s: %s for %s; clients %d of %d; supervisor pid %d on %s\n",
		s.GetRunId(), s.GetState(), since(now, s.GetStartedUnixNano()), s.GetJoinedClients(), s.GetExpectedClients(), s.GetPid(), s.GetListen())
	fmt.Fprintf(w, "connections %d accepted, %d rejected; handlers %d busy, %d ready, %d starting\n",
		s.GetAcceptedConnections(), s.GetRejectedConnections(), s.GetHandlersBusy(), s.GetPoolReady(), s.GetPoolStarting())
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
			last = since(now, c.GetLastMessageUnixNano()) + " ago"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%.1f\t%.1f MB\t%.1f MB/s\t%d\t%s\t%d\t%s\n",
			c.GetName(), c.GetState(), pid, orDash(c.GetPeer()), c.GetDurableSeq(), c.GetMessagesPerSecond(),
			float64(c.GetBytes())/1e6, c.GetBytesPerSecond()/1e6, c.GetErrors(), last, c.GetResumes(), orDash(c.GetCause()))
	}
	return t.Flush()
}

func since(now time.Time, then int64) string {
	return now.Sub(time.Unix(0, then)).Round(100 * time.Millisecond).String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
