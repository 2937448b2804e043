package identity

import (
	"crypto/subtle"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Refusal is why a client is not let in for who it is, or is not.
type Refusal struct {
	Reason bulkheadv1.Reason
	Text   string
}

// Who says who a client is that has presented a token, "" for none, and whose certificate was judged
// if it showed one, or why it is not let in. A client that is let in may have no identity: it has
// the secret that all share, or nothing is asked for.
func (c *Credentials) Who(v Verdict, token string) (*bulkheadv1.Identity, *Refusal) {
	if v.Identity != nil {
		return v.Identity, nil
	}
	if name := c.tokens.Name(token); name != "" {
		return &bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN, Name: name}, nil
	}
	if c.shared != "" && subtle.ConstantTimeCompare([]byte(token), []byte(c.shared)) == 1 {
		return nil, nil
	}
	asksToken := c.shared != "" || c.asks
	switch {
	case v.Why != nil:
		return nil, &Refusal{bulkheadv1.Reason_REASON_CERTIFICATE_WRONG,
			fmt.Sprintf("the client's certificate is not accepted: %v", v.Why)}
	case asksToken && token != "":
		return nil, &Refusal{bulkheadv1.Reason_REASON_TOKEN_WRONG, "wrong token"}
	case c.AsksCertificate():
		return nil, &Refusal{bulkheadv1.Reason_REASON_CERTIFICATE_MISSING, "a certificate is required"}
	case asksToken:
		return nil, &Refusal{bulkheadv1.Reason_REASON_TOKEN_MISSING, "a token is required"}
	default:
		return nil, nil
	}
}

// Reserved returns whose a client's name is, if it is that of a client with a token of its own or
// with a pinned certificate, and who is not that client.
func (c *Credentials) Reserved(name string, who *bulkheadv1.Identity) (of string, reserved bool) {
	switch {
	case who != nil && who.GetName() == name:
		return "", false
	case c.tokens.Has(name):
		return Words(&bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN, Name: name}), true
	case c.names[name]:
		return Words(&bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE, Name: name}), true
	default:
		return "", false
	}
}

// Same reports whether two identities are one; that of a client without one is only that of another
// without.
func Same(a, b *bulkheadv1.Identity) bool {
	return a.GetKind() == b.GetKind() && a.GetName() == b.GetName()
}

// Words names who somebody is.
func Words(who *bulkheadv1.Identity) string {
	switch who.GetKind() {
	case bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE:
		return fmt.Sprintf("the client with the certificate of %q", who.GetName())
	case bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN:
		return fmt.Sprintf("the client with the token of %q", who.GetName())
	default:
		return "a client that has not proven who it is"
	}
}
