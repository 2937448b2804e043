package judge

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// judgeAttendance adds which of the expected clients did not come, and who came instead.
func (v verdict) judgeAttendance(r *report.Report) {
	run := &r.Run
	if run.JoinedClients >= run.ExpectedClients {
		return
	}
	never, came := "never came", "came"
	if v.Running {
		never, came = "did not come so far", "came so far"
	}
	missing := run.ExpectedClients - run.JoinedClients
	short := fmt.Sprintf("%d of %d expected clients %s", missing, run.ExpectedClients, never)
	again := words.Again(r)
	switch {
	case len(run.AbsentNames) > 0:
		v.partial("%s: %s", short, words.NameSome(run.AbsentNames))
	case len(again) > 0:
		for _, text := range again {
			v.partial("%s; %s", text, short)
		}
	default:
		v.partial("expected %s, %d %s", words.Plural(uint64(run.ExpectedClients), "client"), run.JoinedClients, came)
	}
}

// namesTwice finds clients that came under a name that had come before.
func namesTwice(r *report.Report) []report.Finding {
	var list []report.Finding
	all := words.Namesakes(r)
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing != report.StandingAgain {
			continue
		}
		first := all[c.Name].First
		f := about(c, report.FindingNameTwice)
		f.Text = words.AgainWords(r, c, all[c.Name]) + "; a name counts once"
		if words.ConnectedAt(first, c.OpenedAt) {
			f.Text = fmt.Sprintf("two clients were called %s at the same time, on %s (pid %d) and on %s (pid %d); a "+
				"name counts once: give each machine a name of its own",
				c.Name, human.OrDash(first.Host), first.Pid, human.OrDash(c.Host), c.Pid)
		}
		f.Evidence = fmt.Sprintf("session %d came at %s, session %d at %s", first.Session,
			words.Offset(r.Run.StartedAt, first.OpenedAt), c.Session, words.Offset(r.Run.StartedAt, c.OpenedAt))
		f.Threshold = "one such client"
		list = append(list, f)
	}
	return list
}

// unexpected finds clients whose name is not awaited, where names are.
func unexpected(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing != report.StandingUnexpected || joinedLater(r.Run.Job, c.Name) {
			continue
		}
		f := about(c, report.FindingUnexpected)
		f.Text = fmt.Sprintf("client %s was not expected; it was let in, and does not count", c.Label)
		f.Evidence = "expected are " + words.NameSome(r.Run.ExpectedNames)
		f.Threshold = "one such client"
		list = append(list, f)
	}
	return list
}

// joinedLater reports whether a client is one that an agent brought which came while the run of a job went
// on.
func joinedLater(j *report.Job, client string) bool {
	return j != nil && slices.ContainsFunc(j.Clients, func(c report.JobClient) bool {
		return c.Late && c.Client == client
	})
}

// mixedVersions finds that clients are not all of one version, or of another than the supervisor. One that
// was upgraded is of the versions that it was.
func mixedVersions(r *report.Report) []report.Finding {
	own := []string{r.Run.Version}
	for _, restart := range r.Run.Restarts {
		own = append(own, restart.Version)
	}
	clients := make(map[string][]string)
	var versions []string
	differ := false
	for i := range r.Clients {
		c := &r.Clients[i]
		if _, known := clients[c.Version]; !known {
			versions = append(versions, c.Version)
		}
		clients[c.Version] = append(clients[c.Version], c.Label)
		differ = differ || !slices.Contains(own, c.Version)
	}
	if len(versions) < 2 && !differ {
		return nil
	}
	slices.Sort(versions)
	parts := []string{"the supervisor is " + human.OrDash(own[len(own)-1])}
	for _, v := range versions {
		parts = append(parts, fmt.Sprintf("%s: %s", words.NameSome(clients[v]), human.OrDash(v)))
	}
	return []report.Finding{{Kind: report.FindingVersions,
		Text:      "not all programs of the run are of one version: what they measure may not be the same",
		Evidence:  strings.Join(parts, "; "),
		Threshold: "one version of all clients, which the supervisor has or had"}}
}
