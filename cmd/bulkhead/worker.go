package main

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc"

	"bulkhead/client/consumer"
	"bulkhead/client/monitor"
	"bulkhead/client/site"
	"bulkhead/internal/child/inside"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// workerCommand holds what a client starts as its own processes.
func workerCommand() *cli.Command {
	return &cli.Command{
		Name:         "worker",
		Hidden:       true,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{Name: "consumer", OnUsageError: onUsageError, Action: func(ctx *cli.Context) error {
				c := consumer.New(consumer.Options{})
				defer c.Abandon() // removes what an orderly end has not
				if err := serveWorker(ctx, c); err != nil {
					return err
				}
				if c.Failure() != nil {
					return errSaid // the end of its stream told the client
				}
				return nil
			}},
			{Name: "monitor", OnUsageError: onUsageError, Action: func(ctx *cli.Context) error {
				m := monitor.New(monitor.Options{})
				defer m.Abandon()
				return serveWorker(ctx, m)
			}},
			{Name: "remove", OnUsageError: onUsageError, Action: func(ctx *cli.Context) error {
				// nobody may be left to count
				return site.RemoveFolders(ctx.Args().Slice(), func() { _, _ = os.Stdout.Write([]byte{'.'}) })
			}},
		},
	}
}

func serveWorker(ctx *cli.Context, w bulkheadv1.WorkerServiceServer) error {
	err := inside.Serve(ctx.Context, inside.Options{
		Register: func(s *grpc.Server) { bulkheadv1.RegisterWorkerServiceServer(s, w) },
	})
	if errors.Is(err, inside.ErrNotChild) {
		return usageError{err}
	}
	return err
}
