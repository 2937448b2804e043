package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/certs"
	"bulkhead/internal/pathname"
)

// day is how long the days are for which certificates are valid.
const day = 24 * time.Hour

func certsCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "certs",
		Usage: "make the certificates of a lab",
		Description: `Whoever has a CA already needs none of this: see docs/security.md.

Example:
  bulkhead certs init certs --address collector --client alpha,bravo`,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:      "init",
				Usage:     "make a CA, and certificates for the supervisor and for clients",
				ArgsUsage: "DIR",
				Description: `DIR is made if it is not there. It gets ca.crt, which everybody needs; supervisor.crt and
supervisor.key for the collecting machine; NAME.crt and NAME.key for each client, and
for each node of an engine that keeps journals (docs/cluster.md); and ca.key, which
nobody needs again but to make more certificates. No file is written over.

Without --address the certificate is for this machine: its name, localhost, 127.0.0.1
and ::1.

Examples:
  bulkhead certs init certs --address collector --client alpha,bravo
  bulkhead certs init certs --address 10.0.0.1
  bulkhead certs init engine --node n1,n2,n3 --client journal-writer,journal-reader`,
				Flags: []cli.Flag{
					&cli.StringSliceFlag{Name: "address",
						Usage: "name or IP `ADDRESS` by which clients reach the supervisor; several with commas"},
					&cli.StringSliceFlag{Name: "client", Value: cli.NewStringSlice("client"),
						Usage: "`NAME` of a client that gets a certificate; several with commas"},
					&cli.StringSliceFlag{Name: "node",
						Usage: "name or IP `ADDRESS` of a node of an engine, which gets a certificate; several with " +
							"commas"},
					&cli.IntFlag{Name: "days", Value: 365, Usage: "how many days the certificates are valid"},
				},
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return initCerts(ctx, stdout) },
			},
		},
	}
}

// maxDays bounds how long certificates are valid, so that the CA's end has a year of four digits.
const maxDays = 36_500

func initCerts(ctx *cli.Context, stdout io.Writer) error {
	if ctx.NArg() != 1 || ctx.Args().First() == "" {
		return usageError{fmt.Errorf("certs init takes one folder, such as certs; see `%s --help`", commandName(ctx))}
	}
	dir, days := ctx.Args().First(), ctx.Int("days")
	if days < 1 || days > maxDays {
		return usageError{fmt.Errorf("--days: %d is out of range; use 1 to %d", days, maxDays)}
	}
	plan := certs.Plan{Addresses: ctx.StringSlice("address"), Clients: ctx.StringSlice("client"),
		Nodes: ctx.StringSlice("node"), Valid: time.Duration(days) * day}
	if len(plan.Addresses) == 0 {
		plan.Addresses = []string{"localhost", "127.0.0.1", "::1"}
		if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
			plan.Addresses = append([]string{host}, plan.Addresses...)
		}
	}
	made, err := certs.Init(dir, plan)
	if err != nil {
		return err
	}
	for _, name := range made {
		fmt.Fprintln(stdout, pathname.Printable(filepath.Join(dir, name)))
	}
	in := func(name string) string { return shellPath(filepath.Join(dir, name)) }
	fmt.Fprintln(stdout, "\non the collecting machine")
	_, err = fmt.Fprintf(stdout,
		"  bulkhead supervisor start --listen 0.0.0.0:7420 --tls-cert %s --tls-key %s --tls-client-ca %s\n",
		in(certs.SupervisorFile), in(certs.SupervisorKey), in(certs.CAFile))
	if len(plan.Clients) > 0 && err == nil {
		cert, key := certs.Files(plan.Clients[0])
		fmt.Fprintln(stdout, "on a test machine, with a certificate of its own")
		_, err = fmt.Fprintf(stdout, "  bulkhead client --supervisor %s --tls-ca %s --tls-cert %s --tls-key %s\n",
			net.JoinHostPort(plan.Addresses[0], "7420"), in(certs.CAFile), in(cert), in(key))
	}
	return err
}

// plainPath is a path that a shell reads as it is.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// shellPath returns a path as a shell reads it.
func shellPath(path string) string {
	if plainPath.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
