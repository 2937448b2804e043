package supervisor_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
)

// The live page in a real browser: the table and the report so far fill in as the run
// goes, a client that was chosen stays chosen, a name is a text, nothing is asked for
// elsewhere and nothing is complained of. As the run ends, it says so, and stays with the
// report of the run as it ended.
func TestLivePage(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>`
	r := start(t, func(cfg *supervisor.Config) { withHTTP(cfg); cfg.Clients.Count = 2 })
	alpha, other := r.greet(rawclient.Hello("alpha"), 0), r.greet(rawclient.Hello(evil), 0)
	r.deliver(alpha, 1, 50)
	r.deliver(other, 1, 10)
	w := pagetest.Open(t, "http://"+r.http+"/", pagetest.Desk)
	const report = `document.querySelector("#reports iframe:not(.next)").contentDocument`
	has := func(text string) string {
		return `document.getElementById("clients").innerText.includes(` + quoted(text) + `)`
	}
	pagetest.Await(w, has("alpha")+" && "+has(evil))
	pagetest.Await(w, `!!document.querySelector("#reports iframe:not(.next)") && !!`+report+
		`.querySelector("#throughput canvas")`)
	pagetest.Await(w, report+`.getElementById("verdict-line").innerText.toLowerCase().startsWith("running")`)
	// A finding there may be: on a machine that is busy, a Hello is late, as if from a clock that is behind.
	if verdict := strings.Join(strings.Fields(pagetest.Ask[string](w,
		report+`.getElementById("verdict-line").innerText`)), " "); !strings.EqualFold(verdict,
		"running 2 of 2 clients at work") {
		t.Errorf("the verdict of a run in which all is well is %q", verdict)
	}
	if judged := pagetest.Ask[[]string](w,
		`[...`+report+`.querySelectorAll("#verdict .judged:not(.findings)")].map((n) => n.innerText)`); len(
		judged) > 0 {
		t.Errorf("of a run in which all is well the page says %q", judged)
	}
	const crowd = `inOrder([{name: "a", session_state: "SESSION_STATE_CLOSED"}, {name: "b", session_state: "SESSION_STATE_ACTIVE", beats: {}}, {name: "c", session_state: "SESSION_STATE_LOST"}, {name: "d", session_state: "SESSION_STATE_ACTIVE", beats: {last_missed: 1}},
		{name: "e", session_state: "SESSION_STATE_ACTIVE", beats: {last_answered: 3}}, {name: "f", session_state: "SESSION_STATE_AWAY"}, {name: "h", session_state: "SESSION_STATE_RESUMING"}, {name: "g", session_state: "SESSION_STATE_CLOSED"}]).map((c) => c.name).join("")`
	if got := pagetest.Ask[string](w, crowd); got != "fhdbecag" {
		t.Errorf("of many clients those who want attention come first, then the others as they came: %s", got)
	}
	const kept = `(() => {
		assertions([{assertion: "p99 < 5ms for 1s abort", state: "ASSERTION_STATE_BREACHED", value: "p99 was 9ms", breached_nano: "65000000000", aborts: true},
			{assertion: "errors == 0", state: "ASSERTION_STATE_AT_END"}, {assertion: "stalled == 0", state: "ASSERTION_STATE_KEPT", value: "stalled was 0"}]);
		const text = document.getElementById("kept").hidden ? "hidden" : document.getElementById("kept").innerText;
		assertions([]);
		return text + (document.getElementById("kept").hidden ? "" : "; shown for none");
	})()`
	if got := strings.Join(strings.Fields(pagetest.Ask[string](w, kept)), " "); got != "Assertions 1 of 3 "+
		"broken assertion state since measured at a breach p99 < 5ms for 1s abort broken 01:05 p99 was 9ms the run "+
		"is drained "+
		"errors == 0 judged at the end – – the run goes on stalled == 0 kept – stalled was 0 the run goes on" {
		t.Errorf("what the run must keep is shown as %q", got)
	}
	const reading = `(() => {
		const s = {sessions: [{name: "r", session_state: "SESSION_STATE_ACTIVE", reads: "3", read_bytes_per_second: 5e6, bytes_per_second: 7e6, read_calls: {recent_p99_nano: "4000000"}, chunk_writes: {}, beats: {}}],
			totals: {reads: "3", read_bytes_per_second: 5e6}, read_calls: {recent_p99_nano: "4000000"}};
		show({...newest, ...s});
		const text = document.getElementById("facts").innerText + document.getElementById("table").innerText;
		show(newest);
		return text + document.getElementById("table").innerText.includes("read MB/s");
	})()`
	if got := strings.Join(strings.Fields(pagetest.Ask[string](w, reading)), " "); !strings.Contains(got,
		"reads 5.0 MB/s, p99 4.00 ms") || !strings.Contains(got, "r 7.0 – 5.0 4.00 ms") ||
		!strings.HasSuffix(got, "false") {
		t.Errorf("reads are shown as %q", got)
	}
	const staged = `(() => {
		const s = {sessions: [{name: "r", session_state: "SESSION_STATE_ACTIVE", stage: 2, stages: 8, stage_name: "peak", stage_left_nano: "200000000000", chunk_writes: {}, beats: {}}]};
		show({...newest, ...s});
		const text = document.getElementById("table").innerText;
		show(newest);
		return text + document.getElementById("table").innerText.includes("stage");
	})()`
	if got := strings.Join(strings.Fields(pagetest.Ask[string](w, staged)), " "); !strings.Contains(got,
		"2/8 peak, 03:20 left") || !strings.HasSuffix(got, "false") {
		t.Errorf("a stage is shown as %q", got)
	}
	w.Screenshot("live")
	w.Accessible("live")
	pagetest.Ask[bool](w, `(() => {
		const pick = `+report+`.getElementById("client-pick");
		pick.value = "1";
		pick.dispatchEvent(new Event("change"));
		document.querySelector("#reports iframe:not(.next)").first = true;
		return true;
	})()`)
	r.deliver(alpha, 51, 100)
	pagetest.Await(w, `!document.querySelector("#reports iframe:not(.next)").first && `+report+
		`.getElementById("client-pick").value === "1"`)
	if images := pagetest.Ask[int](w, `document.images.length + `+report+`.images.length`); images != 0 {
		t.Errorf("a name has become %d images", images)
	}
	r.closeInOrder(alpha, 100)
	r.closeInOrder(other, 10)
	r.wait()
	pagetest.Await(w,
		`document.getElementById("stale").innerText === "The supervisor has ended. This is its last report." && `+
			has("alpha"))
	verdict := pagetest.Ask[string](w, report+`.getElementById("verdict-line").innerText`)
	if words := strings.ToLower(strings.Join(strings.Fields(verdict), " ")); words != "complete 2 of 2 clients closed" {
		t.Errorf("the last report says %q", words)
	}
	for _, request := range w.Requests() {
		if u, err := url.Parse(request); err != nil || u.Host != r.http {
			t.Errorf("the page asked for %s", request)
		}
	}
	for _, problem := range w.Problems() {
		// at and after the end
		if !strings.Contains(problem, "net::ERR_CONNECTION_") &&
			!strings.Contains(problem, "net::ERR_INCOMPLETE_CHUNKED_ENCODING") {
			t.Errorf("the page complained: %s", problem)
		}
	}
}

// A fresh report takes the place of the one before as it was left, down to what has the
// focus; while it is held it does not, until it is let go.
func TestLivePageIsLeftAsItWas(t *testing.T) {
	r := start(t, withHTTP)
	alpha := r.greet(rawclient.Hello("alpha"), 0)
	r.deliver(alpha, 1, 50)
	w := pagetest.Open(t, "http://"+r.http+"/", pagetest.Size{Width: 1000, Height: 500})
	w.Motion(true)
	w.Dark(false)
	const report = `document.querySelector("#reports iframe:not(.next)").contentDocument`
	pagetest.Await(w, `!!document.querySelector("#reports iframe:not(.next)") && !!`+report+
		`.querySelector("#throughput canvas")`)
	pagetest.Ask[bool](w, `(() => {
		const doc = `+report+`, own = doc.defaultView;
		document.querySelector("#reports iframe:not(.next)").first = true;
		own.scrollTo({top: 300, behavior: "instant"});
		doc.querySelector("#throughput details").open = true;
		doc.querySelector("#clients th:nth-child(3) button").click();
		doc.querySelector("#latency .legend button").click();
		doc.querySelector("#throughput summary").focus({preventScroll: true});
		window.atOnce = null;
		new MutationObserver(() => {
			const now = document.querySelector("#reports iframe:not(.next)");
			if (now && !now.first && atOnce === null) window.atOnce = now.contentWindow.scrollY;
		}).observe(document.getElementById("reports"), {attributes: true, subtree: true, childList: true});
		return true;
	})()`)
	const fresh = `!document.querySelector("#reports iframe:not(.next)").first`
	pagetest.Await(w, fresh+" && atOnce !== null")
	for what, want := range map[string]string{
		`String(atOnce)`: "300",
		report + `.querySelector("#throughput details").open + " " + ` + report +
			`.querySelectorAll("#throughput tbody").length`: "true 1",
		report +
			`.querySelector("#clients th:nth-child(3)").ariaSort`: "descending",
		report +
			`.querySelector("#latency .legend button").ariaPressed`: "false",
		report + `.activeElement.closest("section").id + " " + ` + report +
			`.activeElement.tagName`: "throughput SUMMARY",
	} {
		if got := pagetest.Ask[string](w, what); got != want {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
	}

	w.Do(chromedp.Click(chromedp.ID("hold")))
	pagetest.Await(w, `document.getElementById("follow").textContent === "It is held as it is."`)
	pagetest.Await(w, `document.querySelector("iframe.next") === null`) // one may have been on its way
	pagetest.Ask[bool](w, `(document.querySelector("#reports iframe").first = true)`)
	if loads := pagetest.Ask[bool](w, `(due = 0, refresh(), document.querySelector("iframe.next") !== null)`); loads {
		t.Error("a report that is held is loaded anew")
	}
	w.Do(chromedp.Click(chromedp.ID("hold")))
	pagetest.Await(w, fresh)
	r.closeInOrder(alpha, 50)
	r.wait()
}

// When the next run begins, the page continues with that, and says where the report of the
// one that has ended is.
func TestLivePageOfTheNextRun(t *testing.T) {
	r := start(t, func(cfg *supervisor.Config) { withHTTP(cfg); cfg.KeepRunning = true; cfg.Linger = 0 })
	alpha := r.greet(rawclient.Hello("alpha"), 0)
	r.deliver(alpha, 1, 50)
	w := pagetest.Open(t, "http://"+r.http+"/", pagetest.Desk)
	pagetest.Await(w, `document.getElementById("clients").innerText.includes("alpha")`)
	if !pagetest.Ask[bool](w, `document.getElementById("before").hidden`) {
		t.Error("the page speaks of a run before the first")
	}
	const report = `document.querySelector("#reports iframe:not(.next)").contentDocument`
	pagetest.Await(w, `!!document.querySelector("#reports iframe:not(.next)") && `+report+
		`.querySelectorAll("#client-pick option").length === 2`)
	pagetest.Ask[bool](w, `(() => { const pick = `+report+
		`.getElementById("client-pick"); pick.value = "1"; pick.dispatchEvent(new Event("change")); return true; })()`)
	r.closeInOrder(alpha, 50)
	pagetest.Await(w,
		`!document.getElementById("before").hidden && document.getElementById("clients").innerText === ""`)
	before := pagetest.Ask[string](w, `fetch(document.querySelector("#before a").href).then((r) => r.text())`)
	for _, want := range []string{`"outcome":"closed"`, `"label":"alpha"`, `"end":"done"`} {
		if !strings.Contains(before, want) {
			t.Errorf("the report of the run before has no %s", want)
		}
	}
	bravo := r.greet(rawclient.Hello("bravo"), 0)
	r.deliver(bravo, 1, 5)
	pagetest.Await(w, `[...`+report+`.querySelectorAll("#client-pick option")].some((o) => o.textContent === "bravo")`)
	if got := pagetest.Ask[string](w, report+`.getElementById("client-pick").value`); got != "0" {
		t.Errorf("client %s of the next run is looked at, whom nobody chose", got)
	}
	if problems := w.Problems(); len(problems) > 0 {
		t.Errorf("the page complained: %q", problems)
	}
	r.closeInOrder(bravo, 5)
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }
