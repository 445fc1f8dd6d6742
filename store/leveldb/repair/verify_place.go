package repair

import (
	"slices"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// place adds positions to pieces of damage that have ids.
func (v *verifier) place() error {
	of := make(map[uint64][]*Damage)
	for i := range v.report.Damage {
		if d := &v.report.Damage[i]; d.number > 0 && d.First > 0 {
			of[d.number] = append(of[d.number], d)
		}
	}
	if len(of) == 0 {
		return nil
	}
	var c record.Commit
	return v.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil {
			return // already reported
		}
		position := c.First
		for _, r := range c.Runs {
			for _, d := range of[r.Number] {
				v.placeRun(d, &c, r, position)
			}
			position += r.Count
		}
	})
}

// placeRun adds the positions of a run to a piece of damage that overlaps it.
func (v *verifier) placeRun(d *Damage, c *record.Commit, r record.Run, position uint64) {
	first, end := max(r.First, d.First), min(r.First+r.Count, d.Last+1)
	if first >= end {
		return
	}
	if d.differ {
		pages := logscan.NewPageReader(v.db)
		defer pages.Release()
		events, err := pages.Read(nil, nil, record.Run{Number: r.Number, First: first, Count: end - first}, logscan.Unlimited)
		same := func(e store.Event) bool {
			return e.Position == position+e.ID-r.First && e.Time.UnixMicro() == c.Time
		}
		at := slices.IndexFunc(events, func(e store.Event) bool { return !same(e) })
		if at < 0 || err != nil {
			return
		}
		upTo := at
		for i := at; i < len(events); i++ {
			if !same(events[i]) {
				upTo = i
			}
		}
		d.First, d.Last, d.differ = events[at].ID, events[upTo].ID, false
		first, end = d.First, d.Last+1
	}
	if d.From == 0 {
		d.From = position + first - r.First
	}
	d.UpTo = position + end - 1 - r.First
}
