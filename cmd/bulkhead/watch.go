package main

import (
	"context"
	"time"

	"bulkhead/client/spec"
	"bulkhead/internal/terminal"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// redrawEvery is the time between two drawings of a live view.
const redrawEvery = 500 * time.Millisecond

// watchOn makes a supervisor draw its run in a block below its log, and take it off
// the terminal before it ends or hands over.
func watchOn(block *terminal.Block, cfg *supervisor.Config) {
	painter := terminal.Painter{Colour: inColour()}
	cfg.Watch = func(ctx context.Context, status func(context.Context) *bulkheadv1.StatusResponse) {
		defer block.Close()
		again := time.NewTicker(redrawEvery)
		defer again.Stop()
		for {
			s := status(ctx)
			if s.GetRunId() != "" { // otherwise what was last: a run is being reported
				width, height := block.Size()
				block.Show(painter.Status(s, width, height))
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// progressOn makes a client draw how far it is in a block below its log.
func progressOn(block *terminal.Block, cfg *spec.Config) {
	painter := terminal.Painter{Colour: inColour()}
	cfg.Progress = func(p spec.Progress) {
		g := terminal.Progress{
			Elapsed: p.Elapsed, Runtime: p.Runtime, BytesPerSecond: p.BytesPerSecond, Bytes: p.Bytes, Files: p.Files, Errors: p.Errors,
			TotalBytes: p.TotalBytes,
		}
		if p.Ending {
			g.Ending = "ending"
		}
		width, _ := block.Size()
		block.Show(painter.Progress(g, width))
	}
}
