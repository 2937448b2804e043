package main

import (
	"fmt"
	"io"
	"reflect"
	"time"

	"bulkhead/internal/tools/sim/model"
)

// printResults prints runs as tables in the form that docs have: what clients feel, and what is used.
func printResults(out io.Writer, all []model.Result) {
	fmt.Fprintln(out, "| clients | lost | all let in, s | refused | messages/s | ack p50, ms | ack p99, ms | "+
		"longest, s | at another, s | of them |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range all {
		moved := "| |"
		if r.Moved > 0 {
			moved = fmt.Sprintf("| %s (%s) | %d |", seconds(r.TakeoverP50), seconds(r.TakeoverMax), r.Moved)
		}
		fmt.Fprintf(out, "| %d | %s | %s | %d | %.0f | %s | %s | %s %s\n", r.Params.Clients, r.Fault,
			seconds(r.Arrival), r.Refused, r.Made, millis(r.AckP50), millis(r.AckP99), seconds(r.Longest), moved)
	}
	fmt.Fprintln(out)
	uses := []string{model.HostCPU, model.HostWire, model.FileDisk, model.Slots, model.NodeCPU, model.NodeDisk,
		model.NodeWire, model.ShardLead}
	fmt.Fprint(out, "| clients | lost | appends/s | MiB a supervisor |")
	for _, name := range uses {
		fmt.Fprintf(out, " %s |", name)
	}
	fmt.Fprintln(out, " first |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range all {
		fmt.Fprintf(out, "| %d | %s | %.0f | %.0f |", r.Params.Clients, r.Fault, r.Appends, r.HostMiB)
		for _, name := range uses {
			fmt.Fprintf(out, " %.0f %% |", 100*r.Used(name))
		}
		fmt.Fprintf(out, " %s |\n", r.Uses[0].Name)
	}
}

// printParameters prints what runs are simulated with.
func printParameters(out io.Writer, p *model.Params) {
	fmt.Fprintln(out, "| parameter | value | from |")
	fmt.Fprintln(out, "|---|---|---|")
	for _, row := range p.Rows() {
		fmt.Fprintf(out, "| `-%s` | %v | %s |\n", row.Name, reflect.ValueOf(row.Value).Elem(), row.Source)
	}
}

// printLab prints what was measured of the engine alone, and of one supervisor, and what is simulated.
func printLab(out io.Writer, seed uint64) error {
	fmt.Fprintln(out, "| appends | measured, a second | simulated | off | p50, ms | p99, ms |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, m := range model.Measured() {
		got := m.Simulate(seed)
		fmt.Fprintf(out, "| %d KiB × %d | %.0f | %.0f | %s | %s | %s |\n", m.Bytes>>10, m.Sessions, m.PerSecond,
			got.PerSecond, off(got.PerSecond, m.PerSecond), millis(got.P50), millis(got.P99))
	}
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| clients | measured, new a second | simulated | off | ack p50, ms | simulated | off |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, c := range model.Crowds() {
		got, err := c.Simulate(seed)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %d to %d | %.0f | %.0f | %s | %s | %s | %s |\n", c.From, c.To, c.PerSecond, got.PerSecond,
			off(got.PerSecond, c.PerSecond), millis(c.P50), millis(got.P50), off(float64(got.P50), float64(c.P50)))
	}
	return nil
}

// off returns by how much a figure is more than another.
func off(got, want float64) string { return fmt.Sprintf("%+.0f %%", 100*(got/want-1)) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
