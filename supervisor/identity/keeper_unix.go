package identity

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"bulkhead/internal/backoff"
	"bulkhead/internal/config"
	"bulkhead/internal/episode"
)

// lookEvery is how often the files are looked at.
const lookEvery = 2 * time.Second

// retry is when files that cannot be used are tried again although nothing has changed that shows:
// a file system that answered with an error, or descriptors that were scarce.
var retry = backoff.Policy{First: lookEvery, Most: 30 * time.Second}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// Keeper has the newest credentials.
type Keeper struct {
	cfg  config.Supervisor
	log  *slog.Logger
	now  atomic.Pointer[Credentials]
	seen string // what the files were when they were read; Run's
	told string // what was said last of the certificate's end; Run's

	trouble episode.Episode // files that cannot be used; Run's
	again   time.Time       // when they are tried again; Run's
	clock   func() time.Time
}

// NewKeeper reads the credentials that the settings name.
func NewKeeper(cfg config.Supervisor, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{cfg: cfg, log: log, clock: time.Now}
	k.seen = k.look()
	c, err := Load(cfg)
	if err != nil {
		return nil, err
	}
	k.now.Store(c)
	k.warn(c)
	return k, nil
}

// Now returns the credentials as they are now.
func (k *Keeper) Now() *Credentials { return k.now.Load() }

// HTTPS returns how browsers are spoken to, with the certificate that is in force. It asks them for
// certificates where clients are asked.
func (k *Keeper) HTTPS() *tls.Config {
	forNow := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := k.Now()
		out := &tls.Config{MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
			NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{now.pair.TLS()}}
		if now.AsksCertificate() {
			out.ClientAuth = tls.RequestClientCert
		}
		return out, nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: forNow}
}

// Run reads the files again when they change, until ctx is done. What cannot be read changes
// nothing.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for k.refresh(); ; k.refresh() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// refresh reads the files if they have changed, or could not be used and it is time to try again.
func (k *Keeper) refresh() {
	is, now := k.look(), k.clock()
	if is == k.seen && (k.trouble.Failures == 0 || now.Before(k.again)) {
		k.warn(k.Now())
		return
	}
	if is != k.seen {
		k.trouble.Over() // another one
	}
	k.seen = is
	c, err := Load(k.cfg)
	if err != nil {
		say := k.trouble.Failed(err)
		k.again = now.Add(retry.After(k.trouble.Failures, 0))
		if say {
			k.log.Error("certificates and tokens were changed and cannot be used; those of before stay, "+
				"and these are tried again", "error", err)
		}
		return
	}
	k.trouble.Over()
	k.now.Store(c)
	k.log.Info("certificates and tokens were read again")
	k.told = ""
	k.warn(c)
}

// look returns what tells the files from others of before, and from themselves with another owner or
// mode.
func (k *Keeper) look() string {
	is := ""
	for _, path := range []string{k.cfg.TLS.Cert, k.cfg.TLS.Key, k.cfg.TLS.ClientCA, k.cfg.TLS.Pinned, k.cfg.Tokens,
		k.cfg.TokenFile, k.cfg.HTTP.TokenFile} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			is += fmt.Sprintf("%v\n", err)
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		is += fmt.Sprintf("%d %d %d %d %o %d %d\n", st.Mtim.Nano(), st.Ctim.Nano(), st.Size, st.Ino, st.Mode, st.Uid,
			st.Gid)
	}
	return is
}

// warn warns of a certificate that ends, or has ended: once of each.
func (k *Keeper) warn(c *Credentials) {
	if c.pair == nil {
		return
	}
	until := c.pair.Leaf.NotAfter
	level, text := slog.LevelInfo, ""
	switch left := time.Until(until); {
	case left <= 0:
		level, text = slog.LevelError, "the supervisor's certificate has expired; clients will not connect"
	case left < soon:
		level, text = slog.LevelWarn, "the supervisor's certificate expires soon"
	}
	if text != "" && text != k.told {
		k.log.Log(context.Background(), level, text, "expires", until.UTC())
	}
	k.told = text
}
