package words

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// MachineName returns how a sentence calls the machine of a client.
func MachineName(c *report.Client) string {
	if c.Host == "" {
		return "the machine of client " + c.Label
	}
	return c.Host
}

// Device returns a device's name, and what people call it.
func Device(d *report.Device) string {
	if d.Title == "" {
		return d.Name
	}
	return d.Name + " (" + d.Title + ")"
}

// DeviceWork returns what a device did, in a few words.
func DeviceWork(d *report.Device) string {
	parts := []string{fmt.Sprintf("queue %s", human.ThreeDigits(d.MeanQueue))}
	if d.Writes > 0 {
		parts = append(parts, fmt.Sprintf("%s MB/s written at %s a request",
			human.Megabytes(report.PerSecond(d.WrittenBytes, d.SampledNano)), human.Duration(d.WriteAwaitNano)))
	}
	if d.Reads > 0 {
		parts = append(parts, fmt.Sprintf("%s MB/s read at %s a request",
			human.Megabytes(report.PerSecond(d.ReadBytes, d.SampledNano)), human.Duration(d.ReadAwaitNano)))
	}
	return strings.Join(parts, ", ")
}

// LeadsTo returns where a network interface leads.
func LeadsTo(n *report.NetworkInterface) string {
	switch {
	case n.ToSupervisor && n.ToStorage:
		return "the supervisor and to storage"
	case n.ToStorage:
		return "storage"
	default:
		return "the supervisor"
	}
}

// gapReasons says why something was not told.
var gapReasons = map[string]string{
	"none": "there is none", "not_shown": "the system does not show it",
	"not_permitted": "the client's user may not read it", "unreadable": "it cannot be read",
	"silent": "the file system does not answer", "begun_anew": "its counters began anew",
	"too_many": "there are too many",
}

// MachineGap returns what was not told of a machine, and why.
func MachineGap(g *report.MachineGap) string {
	text := strings.ReplaceAll(g.Part, "_", " ")
	if g.About != "" {
		text += " of " + g.About
	}
	if why := gapReasons[g.Reason]; why != "" {
		text += ": " + why
	}
	return text
}
