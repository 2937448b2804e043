package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"bulkhead/internal/config"
	"bulkhead/internal/pathname"
	"bulkhead/internal/terminal"
	"bulkhead/internal/version"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
)

// operateTimeout bounds a call to a running supervisor, which answers in milliseconds
// unless it is stopped, or does nothing but resume a long run.
const operateTimeout = 4 * time.Second

// controlFlag is the flag that selects a supervisor by its socket, or by one that leads there.
const controlFlag = "control"

// whichFlags returns the flags that select a supervisor.
func whichFlags() []cli.Flag {
	return append(settingFlags(stateDirKeys()), &cli.StringFlag{Name: controlFlag,
		Usage: "ask the supervisor at this `SOCKET`, its own or one that leads to another machine (ssh -L)"})
}

// stateDirKeys returns the settings that select a supervisor.
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
		Description: `One look at the run: its clients and how they are. ` + "`bulkhead top`" + ` keeps looking.

Examples:
  bulkhead supervisor status --state-dir /var/lib/bulkhead
  bulkhead supervisor status --json`,
		Flags:        append(whichFlags(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, stderr, func(call context.Context, c *control.Client) error {
				s, err := c.Status(call, &bulkheadv1.StatusRequest{})
				if err != nil {
					return unanswered(c, "asking for the status", err)
				}
				if ctx.Bool("json") {
					data, err := protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true,
						UseProtoNames: true}.Marshal(s)
					if err != nil {
						return fmt.Errorf("printing the status: %w", err)
					}
					_, err = fmt.Fprintf(stdout, "%s\n", data)
					return err
				}
				return terminal.PrintStatus(stdout, s)
			})
		},
	}
}

func drainCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "drain",
		Usage: "ask every client to end its load, then report and exit",
		Description: `The run counts as interrupted by an operator, unless every load had ended already.
With --client, one client alone ends its load; the run and the others continue.

Examples:
  bulkhead supervisor drain --state-dir /var/lib/bulkhead
  bulkhead supervisor drain --client alpha`,
		Flags: append(whichFlags(),
			&cli.StringFlag{Name: "client", Usage: "ask only the client of this `NAME`, and let the run continue"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			if ctx.IsSet("client") {
				return drainClient(ctx, stdout, stderr)
			}
			return operate(ctx, stderr, func(call context.Context, c *control.Client) error {
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

// drainClient asks one client to end its load.
func drainClient(ctx *cli.Context, stdout, stderr io.Writer) error {
	name := ctx.String("client")
	if name == "" {
		return usageError{errors.New("--client: it is empty; name the client that is to end")}
	}
	return operate(ctx, stderr, func(call context.Context, c *control.Client) error {
		r, err := c.DrainClient(call, &bulkheadv1.DrainClientRequest{Name: name,
			Reason: "bulkhead supervisor drain --client " + name})
		if status.Code(err) == codes.Unimplemented {
			return fmt.Errorf("asking for the end of a client: %s is of an earlier version, and drains only all "+
				"clients; nothing was changed", c)
		}
		if err != nil {
			return unanswered(c, "asking for the end of a client", err)
		}
		_, err = fmt.Fprintf(stdout, "client %s is drained; sessions asked to end: %d\n", pathname.Printable(name),
			r.GetSessions())
		return err
	})
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
configuration, the state directory and the journal, and start a handler. Only then does
it replace the running one, with the same process id, arguments, listener, handlers and
connections. If it does not pass, nothing changes. Neither does anything change if it is
not the version of the program that asks, which is most likely a mistake; --any-version
upgrades all the same.

Example:
  bulkhead supervisor upgrade --state-dir /var/lib/bulkhead`,
		Flags: append(whichFlags(),
			&cli.BoolFlag{Name: "any-version",
				Usage: "upgrade also to another version than that of the program that asks"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return operate(ctx, stderr, func(call context.Context, c *control.Client) error {
				// The check takes its time; whether anybody is there does not.
				if _, err := c.Status(call, &bulkheadv1.StatusRequest{}); err != nil {
					return unanswered(c, "no upgrade", err)
				}
				call, cancel := context.WithTimeout(ctx.Context, upgradeTimeout)
				defer cancel()
				checking := time.AfterFunc(checkingAfter, func() {
					fmt.Fprintf(stderr,
						"bulkhead: %s is checking the new program; until then nothing changes\n", c)
				})
				defer checking.Stop()
				r, err := c.Upgrade(call, &bulkheadv1.UpgradeRequest{Version: version.String(), Build: version.Build(),
					AnyVersion: ctx.Bool("any-version")})
				if err != nil {
					return unanswered(c, "no upgrade", err)
				}
				return printUpgrade(stdout, r)
			})
		},
	}
}

// printUpgrade prints which program takes the place of which.
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
		fmt.Fprintf(w,
			"upgrading in place; pid %d\n  the same program again; only its configuration is read anew: %s\n",
			r.GetPid(), to)
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

// supervisorMeant returns which supervisor a command is for. It tells of unknown variables on stderr.
func supervisorMeant(ctx *cli.Context, stderr io.Writer) (control.Address, error) {
	if ctx.IsSet(controlFlag) {
		socket := ctx.String(controlFlag)
		switch {
		case ctx.IsSet("state-dir"):
			return control.Address{}, usageError{errors.New("--control and --state-dir: each says which supervisor " +
				"is meant; give one of them")}
		case socket == "":
			return control.Address{}, usageError{errors.New("--control: it is empty; name the supervisor's socket")}
		}
		printUnknownVariables(stderr)
		return control.Address{Socket: socket}, nil
	}
	file, err := configFile(ctx)
	if err != nil {
		return control.Address{}, err
	}
	printUnknownVariables(stderr)
	settings, err := config.LoadSupervisor(file, os.Environ(), overrides(ctx, stateDirKeys()))
	return control.Address{StateDir: settings.StateDir}, err
}

// operate calls do with a connection to the supervisor that is meant, and with a
// context that is done after operateTimeout. It tells of unknown variables on stderr.
func operate(ctx *cli.Context, stderr io.Writer, do func(context.Context, *control.Client) error) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	meant, err := supervisorMeant(ctx, stderr)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx.Context, operateTimeout)
	defer cancel()
	c, err := meant.Dial(call)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(call, c)
}

// unanswered returns why a call to the supervisor failed, for a person.
func unanswered(c *control.Client, doing string, err error) error {
	switch s := status.Convert(err); s.Code() {
	case codes.DeadlineExceeded:
		return fmt.Errorf("%s: %s does not answer (is it stopped?)", doing, c)
	case codes.Unavailable:
		return fmt.Errorf("%s: %s has ended, is just ending or is being upgraded", doing, c)
	case codes.Canceled:
		return fmt.Errorf("%s: %w", doing, errInterrupted)
	default:
		return fmt.Errorf("%s: %s", doing, s.Message())
	}
}
