package terminal

import (
	"fmt"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// gatherText returns how far a run has gathered its clients: "gathering: 2 of 3 ready, waiting for b
// (connected, not ready); 1m58s left".
func gatherText(g *bulkheadv1.GatherStatus, most int) string {
	return "gathering: " + readyText(g, most)
}

// stageWaitText returns who is waited for before a stage: "before stage peak: 2 of 3 ready, waiting for b
// (connected, not ready); 1m58s left".
func stageWaitText(w *bulkheadv1.StageWait, most int) string {
	return "before stage " + clean(w.GetStage()) + ": " + readyText(w.GetGather(), most)
}

func readyText(g *bulkheadv1.GatherStatus, most int) string {
	text := fmt.Sprintf("%d of %d ready", g.GetReady(), g.GetExpected())
	list := g.GetMissing()
	if len(list) > 0 {
		words := protocol.MissingWords(list[:min(len(list), most)], most)
		if n := len(list) - min(len(list), most) + int(g.GetMissingLeftOut()); n > 0 {
			words = append(words, fmt.Sprintf("%d more", n))
		}
		text += ", waiting for " + clean(strings.Join(words, ", "))
	}
	if left := time.Duration(g.GetLeftNano()); left > 0 {
		text += "; " + human.BriefDuration(left.Round(time.Second)) + " left"
	}
	return text
}
