package server

import (
	"testing"
	"time"
)

// TestWritePriority: the more writes are under way, the longer chunks wait, up to a
// limit. Without writes they do not wait.
func TestWritePriority(t *testing.T) {
	took := func(chunk time.Duration, writes int) time.Duration {
		var p writePriority
		began := time.Now().Add(-chunk)
		p.sent(began, writes)
		return p.until.Sub(began) - chunk
	}
	const chunk, about = 4 * time.Millisecond, 3 * time.Millisecond
	for _, c := range []struct {
		writes int
		want   time.Duration
	}{{0, 0}, {1, chunk / priorityStep}, {priorityStep, chunk}, {1e6, priorityLimit}} {
		if have := took(chunk, c.writes); have < c.want || have > c.want+about {
			t.Errorf("%d writes: want about %v, have %v", c.writes, c.want, have)
		}
	}
	if have := took(time.Microsecond, 1e6); have < priorityMost*time.Microsecond || have > about {
		t.Errorf("want %d times a microsecond or little more, have %v", priorityMost, have)
	}
}

func TestHeldBackOnce(t *testing.T) {
	now := time.Now()
	l := &loop{writePriority: writePriority{until: now.Add(time.Second)}}
	c := new(conn)
	for range 2 {
		if !l.holdBack(c, now) || len(l.writePriority.held) != 1 {
			t.Fatalf("want it held once, have %d", len(l.writePriority.held))
		}
	}
	if l.releaseHeld(now); len(l.flushes) != 0 {
		t.Error("want it held until its time, have it sent")
	}
	if l.releaseHeld(now.Add(time.Second)); len(l.flushes) != 1 || len(l.writePriority.held) != 0 || c.heldBack {
		t.Error("want it sent when its time has come")
	}
	if l.holdBack(c, now.Add(time.Second)) {
		t.Error("want it to go on, have it held")
	}
}

// TestShortAnswersGoFirst: before, the few events of a short answer waited behind all
// replays.
func TestShortAnswersGoFirst(t *testing.T) {
	for _, c := range []struct {
		size         int
		last, prompt bool
		want         bool
	}{
		{100, true, false, true}, {priorityShort + 1, true, false, false}, {100, false, false, false},
		{100, false, true, true}, {priorityShort + 1, false, true, false},
	} {
		task := &task{chunk: chunk{packed: make([]byte, c.size), last: c.last, prompt: c.prompt}}
		if task.short() != c.want {
			t.Errorf("%+v: have %v", c, task.short())
		}
	}
}
