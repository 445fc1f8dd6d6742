package storetest

import (
	"fmt"

	"gorewind/store"
)

var keyCases = []testCase{
	{"F3 the same request again", testKeyAgain},
	{"the same request again in one call", testKeyInOneCall},
	{"F4 another request", testKeyReused},
	{"the key is the first stream's", testKeyOfStream},
	{"F1 only success is remembered", testKeyAfterFailure},
	{"F3 the key goes before the expectations", testKeyBeforeExpectation},
	{"the key outlives its events", testKeyAfterErasure},
	{"keys of any bytes", testAnyKeys},
}

// keyed returns a request under a key.
func keyed(key string, groups ...store.Group) store.Append {
	return store.Append{Key: []byte(key), Groups: groups}
}

// stores checks that a request gets these ids.
func (f *fixture) stores(a store.Append, ids ...uint64) {
	f.t.Helper()
	if r := appendAll(f.s, a)[0]; r.Err != nil || fmt.Sprint(r.IDs) != fmt.Sprint(ids) {
		f.t.Errorf("want %d, have %+v", ids, r)
	}
}

// reused checks that a request gets ErrKeyReused.
func (f *fixture) reused(what string, a store.Append) {
	f.t.Helper()
	f.is(what, appendAll(f.s, a)[0].Err, store.ErrKeyReused)
}

func testKeyAgain(f *fixture) {
	first := func() store.Append { return keyed("k", group("s", "a", "b"), group("t", "c"), group("s", "d")) }
	f.stores(first(), 2, 1, 3)
	f.stores(first(), 2, 1, 3)
	f.appendEvents("s", "e")
	f.appendEvents("t", "f")
	f.twice(func() {
		f.stores(first(), 2, 1, 3)
		f.wants(everything(), "a", "b", "c", "d", "e", "f")
	})
	f.stores(keyed("", group("s", "g")), 5)
	f.stores(keyed("", group("s", "g")), 6) // without a key they are two requests
}

func testKeyInOneCall(f *fixture) {
	a := func() store.Append { return keyed("k", group("s", "a")) }
	results := appendAll(f.s, a(), a(), request(group("s", "b")), keyed("k", group("s", "x")), a())
	for _, i := range []int{0, 1, 4} {
		if results[i].Err != nil || results[i].IDs[0] != 1 {
			f.t.Errorf("request %d: %+v", i, results[i])
		}
	}
	f.is("another request under the key", results[3].Err, store.ErrKeyReused)
	f.holds("s", "a", "b")
}

func testKeyReused(f *fixture) {
	f.stores(keyed("k", expecting(0, "s", "ab", "c"), group("t", "d")), 2, 1)
	f.twice(func() {
		for what, a := range map[string]store.Append{
			"other data":         keyed("k", expecting(0, "s", "ab", "x"), group("t", "d")),
			"cut elsewhere":      keyed("k", expecting(0, "s", "a", "bc"), group("t", "d")),
			"an event less":      keyed("k", expecting(0, "s", "ab"), group("t", "d")),
			"an event more":      keyed("k", expecting(0, "s", "ab", "c", ""), group("t", "d")),
			"a group less":       keyed("k", expecting(0, "s", "ab", "c")),
			"a group more":       keyed("k", expecting(0, "s", "ab", "c"), group("t", "d"), group("t", "d")),
			"another stream":     keyed("k", expecting(0, "s", "ab", "c"), group("u", "d")),
			"other expectation":  keyed("k", expecting(2, "s", "ab", "c"), group("t", "d")),
			"no expectation":     keyed("k", group("s", "ab", "c"), group("t", "d")),
			"second expectation": keyed("k", expecting(0, "s", "ab", "c"), expecting(0, "t", "d")),
		} {
			f.reused(what, a)
		}
		f.wants(everything(), "ab", "c", "d")
	})
}

func testKeyOfStream(f *fixture) {
	f.stores(keyed("k", group("s", "a"), group("t", "b")), 1, 1)
	f.stores(keyed("k", group("t", "c")), 2)
	f.stores(keyed("k", group("u", "d"), group("s", "e")), 1, 2)
	f.stores(keyed("l", group("s", "f")), 3)
	f.twice(func() {
		f.stores(keyed("k", group("t", "c")), 2)
		f.stores(keyed("l", group("s", "f")), 3)
		f.reused("the first stream decides", keyed("k", group("t", "b")))
	})
	f.wants(everything(), "a", "b", "c", "d", "e", "f")
}

func testKeyAfterFailure(f *fixture) {
	f.conflict("first", appendAll(f.s, keyed("k", expecting(1, "s", "a")))[0].Err, 0, "s", 0)
	f.is("no event", appendAll(f.s, keyed("k", group("s")))[0].Err, store.ErrInvalid)
	f.reopen()
	f.stores(keyed("k", group("s", "b")), 1)
	f.reused("what failed under the key", keyed("k", expecting(1, "s", "a")))
	results := appendAll(f.s, keyed("l", expecting(0, "s", "x")), keyed("l", expecting(1, "s", "c")))
	f.conflict("in one call", results[0].Err, 0, "s", 1)
	f.is("after a failure in the same call", results[1].Err, nil)
	f.holds("s", "b", "c")
}

func testKeyBeforeExpectation(f *fixture) {
	f.stores(keyed("k", expecting(0, "s", "a")), 1)
	f.appendEvents("s", "b")
	f.twice(func() { f.stores(keyed("k", expecting(0, "s", "a")), 1) })
	f.reused("also where an expectation is not met", keyed("k", expecting(0, "s", "x")))
	f.conflict("a new key", appendAll(f.s, keyed("l", expecting(0, "s", "a")))[0].Err, 0, "s", 2)
}

func testKeyAfterErasure(f *fixture) {
	a := func() store.Append { return keyed("k", expecting(0, "s", "a"), group("t", "b")) }
	f.stores(a(), 1, 1)
	f.is("replace", f.replace("s", 1, "replaced"), nil)
	f.twice(func() {
		f.stores(a(), 1, 1)
		f.reused("what it was replaced by", keyed("k", expecting(0, "s", "replaced"), group("t", "b")))
	})
	f.empty("s")
	f.twice(func() {
		f.stores(a(), 1, 1)
		f.reused("other data", keyed("k", expecting(0, "s", "x"), group("t", "b")))
	})
	f.wants(everything(), "b")
	f.stores(keyed("l", expecting(0, "s", "c")), 2)
	f.stores(a(), 1, 1)
}

func testAnyKeys(f *fixture) {
	r, _ := Rand(f.t)
	keys := []string{"\x00", "\x00\x00", "\xff", "a", "a\x00", "ab", string(make([]byte, store.MaxKey))}
	for range 50 {
		key := randomName(r)
		keys = append(keys, "r"+key[:min(len(key), store.MaxKey-1)])
	}
	streams := []string{"b", "\x00", "a", "\x00b"}
	ids := map[string]uint64{}
	for _, stream := range streams {
		for _, key := range keys {
			r := appendAll(f.s, keyed(key, group(stream, key)))[0]
			if r.Err != nil {
				f.t.Fatalf("key %q: %v", key, r.Err)
			}
			ids[stream+"|"+key] = r.IDs[0]
		}
	}
	f.twice(func() {
		for _, stream := range streams {
			for _, key := range keys {
				f.stores(keyed(key, group(stream, key)), ids[stream+"|"+key])
			}
		}
	})
}
