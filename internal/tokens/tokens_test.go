package tokens

import (
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	alpha, err := New("alpha")
	if err != nil {
		t.Fatal(err)
	}
	bravo, err := New("bravo of rack 2")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(alpha.Line(), alpha.Secret()) || alpha.Secret() == bravo.Secret() {
		t.Errorf("the file would have the secret %s: %s", alpha.Secret(), alpha.Line())
	}
	set, err := Parse([]byte("# tokens\n\n" + alpha.Line() + "\n  " + bravo.Line() + "  \n"))
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]string{
		alpha.Secret(): "alpha", bravo.Secret(): "bravo of rack 2", "": "", "alpha": "", alpha.Line(): "",
		alpha.Secret() + " ": "", strings.ToUpper(alpha.Secret()): "",
	} {
		if got := set.Name(secret); got != want {
			t.Errorf("%q is the token of %q; want %q", secret, got, want)
		}
	}
	if !set.Has("alpha") || set.Has("charlie") || set.Len() != 2 {
		t.Errorf("the set is %+v", set)
	}
}

func TestBadTokens(t *testing.T) {
	good, err := New("alpha")
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.TrimPrefix(good.Line(), "alpha ")
	for _, text := range []string{
		"alpha", hash, " " + hash, "alpha " + good.Secret(), "alpha sha256:00", "alpha " + hash + "00",
		"alpha sha1:" + hash[7:], good.Line() + "\nbravo " + hash, "a\x01b " + hash,
		strings.Repeat("n", 200) + " " + hash,
	} {
		_, err := Parse([]byte(text))
		if err == nil {
			t.Errorf("%q was taken", text)
		} else if strings.Contains(err.Error(), good.Secret()) {
			t.Errorf("the error has the secret: %v", err)
		}
	}
	for _, name := range []string{"", " a", "#a", "a\nb", strings.Repeat("n", 129)} {
		if _, err := New(name); err == nil {
			t.Errorf("%q has got a token", name)
		}
	}
}

// FuzzParse reads any file. What is taken has whole lines, and no name but those in it.
func FuzzParse(f *testing.F) {
	one, err := New("alpha")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(one.Line() + "\n"))
	f.Add([]byte("# nothing\n\n"))
	f.Add([]byte("a sha256:"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse(text)
		if err != nil {
			return
		}
		for name := range set.byName {
			if checkName(name) != nil || !strings.Contains(string(text), name) {
				t.Errorf("%q has the name %q", text, name)
			}
		}
		if set.Name("") != "" || set.Len() > strings.Count(string(text), "sha256:") {
			t.Errorf("%q has %d tokens", text, set.Len())
		}
	})
}
