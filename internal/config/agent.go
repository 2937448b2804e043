package config

import (
	"time"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
)

// Agent is the configuration of an agent.
type Agent struct {
	// Supervisor has the addresses of the supervisors; at least one.
	Supervisor value.Addresses
	// Name is shown to people, and jobs may ask for it; empty means the name of the host.
	Name string
	// Labels are what jobs ask for; nil when there are none.
	Labels map[string]string
	// TokenFile is a file with the token that the supervisor asks for; empty has none.
	TokenFile string
	TLS       ClientTLS
	// Allow are the folders below which loads may write; at least one.
	Allow []value.Allowance
	// MaxRuntime is the longest runtime of a load; 0 is no bound.
	MaxRuntime time.Duration
	// WorkDir is the folder for what the agent and its clients keep; empty means one of this user alone
	// in the system's folder for temporary files.
	WorkDir string
	Log     Log
}

// fields declares the keys of an agent. Those that a client has too are the same.
func (a *Agent) fields() []field {
	c := &Client{}
	var fields []field
	for _, f := range c.fields() {
		switch f.Name {
		case "supervisor":
			f = addressesField(f.Name, &a.Supervisor, f.Help)
		case "name":
			f = textField(f.Name, &a.Name, "", value.Optional(protocol.CheckName), f.Valid,
				"Name of this agent, which jobs may ask for; empty means the name of the host.")
		case "labels":
			f.Help = "Labels of this machine, which jobs may ask for; its clients have them too."
			set, node, reset := f.set, f.node, f.reset
			f.reset = func() { reset(); a.Labels = nil }
			f.set = func(text string) error { err := set(text); a.Labels = c.Labels; return err }
			f.node = func(l *loader, e entry) { node(l, e); a.Labels = c.Labels }
		case "token_file":
			f = pathField(f.Name, &a.TokenFile, "", true, "File with the secret that the supervisor asks for.")
		case "tls.ca":
			f = pathField(f.Name, &a.TLS.CA, "", true, f.Help)
		case "tls.cert":
			f = pathField(f.Name, &a.TLS.Cert, "", true, f.Help)
		case "tls.key":
			f = pathField(f.Name, &a.TLS.Key, "", true, f.Help)
		case "tls.server_name":
			f = textField(f.Name, &a.TLS.ServerName, "", value.CheckBytes(0, 255), f.Valid, f.Help)
		default:
			continue
		}
		fields = append(fields, f)
	}
	fields = append(fields,
		composite(Key{Name: "allow", Kind: "list", Valid: value.ValidAllowances,
			Help: "Folders below which loads may write, and how much they may take up in each at once."},
			&a.Allow, nil, yaml.SequenceNode, value.ParseAllowances, readAllowances),
		durationField("max_runtime", &a.MaxRuntime, 0, 0, 365*24*time.Hour,
			"Longest runtime of a load; 0s is no bound."),
		textField("work_dir", &a.WorkDir, "", value.CheckPath(value.CheckBytes(0, maxPath)), "a path, or empty",
			"Folder for what the agent and its clients keep; empty means one of this user alone in the "+
				"system's temporary folder."),
	)
	return append(fields, a.Log.fields()...)
}

// readAllowances reads the list of a file.
func readAllowances(l *loader, e entry) (all []value.Allowance, ok bool) {
	before := l.found()
	l.items(e, "a list of folders with sizes, as in [/mnt/under-test:500GiB]", func(item entry) {
		text, ok := l.text(item, "PATH:SIZE")
		if !ok {
			return
		}
		a, err := value.ParseAllowance(text)
		if err != nil {
			l.problem(l.at(item), item.path, err.Error())
			return
		}
		all = append(all, a)
	})
	if err := value.CheckAllowances(all); err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return all, l.found() == before
}

// LoadAgent does for an agent what LoadSupervisor does for a supervisor.
func LoadAgent(file string, env []string, flags []Override) (Agent, error) {
	var a Agent
	l := newLoader(file)
	l.process, l.other, l.others = "agent", "client", new(Client).fields()
	if readable := l.load(env, flags, a.fields()); readable {
		if len(a.Allow) == 0 && !l.broken["allow"] {
			l.problem(origin{source: fromFlag, name: "agent"}, "allow", "nothing is allowed, so no job could do "+
				"anything; name a folder and a size, as in --allow /mnt/under-test:500GiB")
		}
		l.needs("tls.key", a.TLS.Key, "tls.cert", a.TLS.Cert)
		l.needs("tls.cert", a.TLS.Cert, "tls.key", a.TLS.Key)
		l.needs("tls.cert", a.TLS.Cert, "tls.ca", a.TLS.CA)
		l.needs("tls.server_name", a.TLS.ServerName, "tls.ca", a.TLS.CA)
	}
	if len(l.problems) > 0 {
		return Agent{}, l.refusal()
	}
	return a, nil
}

// AgentKeys lists the keys of an agent.
func AgentKeys() []Key { return keysOf(new(Agent).fields()) }
