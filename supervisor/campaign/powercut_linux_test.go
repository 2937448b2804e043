package campaign

import (
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/powercut"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What is known of a job stays when the machine loses its power, from the moment in which it was saved.
func TestAPowerCutLeavesTheJob(t *testing.T) {
	disk := powercut.New(t)
	s := Store{Path: filepath.Join(disk.Path, "jobs")}
	c := &bulkheadv1.Campaign{Id: "20260101T000000Z-000001", Job: &bulkheadv1.Job{Name: "j", Text: "job: j\n"}}
	for n := range uint32(3) {
		c.Runs = append(c.Runs, &bulkheadv1.CampaignRun{Number: n + 1, RunId: "r"})
		if err := s.save(c); err != nil {
			t.Fatal(err)
		}
		disk.Cut()
		if got, err := s.load(); err != nil || !proto.Equal(got, c) {
			t.Errorf("after run %d the job is %v, %v; want %v", n+1, got, err, c)
		}
	}
}
