package command

import (
	"strings"
	"testing"

	"gorewind/store/leveldb/repair"
)

func TestVerifyReport(t *testing.T) {
	r := repair.Report{
		Streams: 1, Events: 1000, Bytes: 2000000, Commits: 7, Notes: []string{"odd"}, Damaged: 1234,
		Damage: []repair.Damage{{Stream: []byte("s\xff"), First: 3, Last: 4, From: 9, UpTo: 9, What: "lost"}},
	}
	const want = `read: 1 stream, 1,000 events, 2,000,000 bytes, 7 commits
note: odd
damaged: stream "s\xff", events 3 to 4, position 9: lost
damaged: and 1,233 more; list them with --all
`
	var b strings.Builder
	if err := printVerified(&b, r); err != nil || b.String() != want {
		t.Errorf("want\n%shave %v\n%s", want, err, b.String())
	}
}

func TestVerifyTellsOfLoss(t *testing.T) {
	var b strings.Builder
	if err := printVerified(&b, repair.Report{Lost: 3}); err != nil || !strings.Contains(b.String(), "everything but 3 lost events is as it was stored") {
		t.Error(b.String(), err)
	}
}
