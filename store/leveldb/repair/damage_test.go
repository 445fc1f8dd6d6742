package repair

import "testing"

// TestReportIsBounded: a report is bounded, unless all damage is asked for.
func TestReportIsBounded(t *testing.T) {
	const pieces = MaxDamage + 10
	for _, r := range []*Report{{}, {all: true}} {
		for i := range pieces {
			r.addDamage(Damage{First: uint64(i)})
		}
		r.insertDamage(Damage{What: "first"})
		if r.Damaged != pieces+1 || r.Damage[0].What != "first" || !r.all && len(r.Damage) != MaxDamage || r.all && len(r.Damage) != pieces+1 {
			t.Errorf("all %v: have %d of %d, the first %q", r.all, len(r.Damage), r.Damaged, r.Damage[0].What)
		}
	}
}
