package server_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store"
	"gorewind/wire"
)

// related are the cases of Fossil (F), Goethe (G), Everest (E) and
// adlerhurst/eventstore (A).
var related = []inherited{
	{
		label: "F1",
		was:   "an event without type, id or source is refused",
		not:   "An event is bytes: it has no attributes that it could be without.",
	}, {
		label: "F2",
		was:   "a valid event is answered with its number",
		play: `
			C: APPEND "6f1a" "s" "" 1 "d"
			S: APPENDED <1>`,
	}, {
		label: "F3",
		was:   "the same event again is answered with the same number",
		play: `
			C: APPEND "6f1a" "s" <0> 1 "d"
			S: APPENDED <1>
			C: PUBLISH "s" "another"
			S: PUBLISHED <2>
			C: APPEND "6f1a" "s" <0> 1 "d"
			S: APPENDED <1>
			C: QUERY "s" "" ""
			S: EVENT <1> "d"
			S: EVENT <2> "another"
			S: END
			B: "s" <1> "d"
			B: "s" <2> "another"`,
		in:   []string{"store: F3 the same request again"},
		here: "the key stands for the client's id of the event",
	}, {
		label: "F4",
		was:   "an event of the same id with another body is a conflict",
		play: `
			C: APPEND "6f1a" "s" "" 1 "d"
			S: APPENDED <1>
			C: APPEND "6f1a" "s" "" 1 "other"
			S: ERROR KEY-REUSED …
			C: QUERY "s" "" ""
			S: EVENT <1> "d"
			S: END`,
		in: []string{"store: F4 another request"},
	}, {
		label: "F5",
		was:   "as F4, but asking for it to be replaced: the other body is taken",
		play: `
			C: APPEND "6f1a" "s" "" 1 "d"
			S: APPENDED <1>
			B: "s" <1> "d"
			C: REPLACE "s" <1> "other"
			S: REPLACED <1>
			C: QUERY "s" "" ""
			S: EVENT <1> "other"
			S: END`,
		in:   []string{"store: F5 F11 replace"},
		here: "what is not there is not inserted but UNKNOWN-ID, and a replacement is not broadcast",
	}, {
		label: "F6",
		was:   "number 12349813 is expected of an empty stream: conflict",
		play: `
			C: APPEND "" "s" <12349813> 1 "d"
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000000 ; …
			C: QUERY "s" "" ""
			S: END`,
		here: "in this and the next cases, what is expected is the last id that the stream has, not the one that the event gets",
	}, {
		label: "F7",
		was:   "an event is written as n, then another that is expected to be n+1",
		play: `
			C: APPEND "" "s" "" 1 "d"
			S: APPENDED <1>
			C: APPEND "" "s" <1> 1 "e"
			S: APPENDED <2>`,
	}, {
		label: "F8",
		was:   "an event is expected to be n, which is taken: conflict",
		play: `
			C: APPEND "" "s" "" 2 "d" "e"
			S: APPENDED <2>
			C: APPEND "" "s" <1> 1 "f"
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000002 ; …
			C: APPEND "" "s" <0> 1 "f"
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000002 ; …`,
	}, {
		label: "F9",
		was:   "an event is expected to be 20 after there was one: conflict",
		play: `
			C: APPEND "" "s" "" 1 "d"
			S: APPENDED <1>
			C: APPEND "" "s" <19> 1 "e"
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000001 ; …`,
	}, {
		label: "F10",
		was:   "who sends a duplicate is told the number of the event that is stored",
		play: `
			C: APPEND "" "s" "" 2 "a" "b" "t" "" 1 "c"
			S: APPENDED <2> <1>
			C: APPEND "6f1a" "s" "" 2 "d" "e" "t" "" 1 "f"
			S: APPENDED <4> <2>
			C: DELETE "s" "" ""
			S: DELETED
			C2: APPEND "6f1a" "s" "" 2 "d" "e" "t" "" 1 "f"
			S2: APPENDED <4> <2>`,
		here: "no error but the first answer again, for ever",
	}, {
		label: "F11",
		was:   "first is replaced by second: read by its id it is second",
		play: `
			C: APPEND "" "s" "" 3 "zeroth" "first" "third"
			S: APPENDED <3>
			C: REPLACE "s" <2> "second"
			S: REPLACED <2>
			C: QUERY "s" <1> <2>
			S: EVENT <2> "second"
			S: END`,
	}, {
		label: "F12",
		was:   "/p/123 is written, /p/{id} subscribed to, /p/987 written: both come, in that order",
		play: `
			C: PUBLISH "/p/123" "one"
			S: PUBLISHED <1>
			C: "f" "" QUERY "/p/*" "" "" "match=glob" follow
			S: "f" "" EVENT <1> "one" "/p/123" <1> <1> "2…"
			S: "f" "" LIVE
			C2: PUBLISH "/p/987" "two"
			S2: PUBLISHED <1>
			S: "f" "" EVENT <2> "two" "/p/987" <1> <2> "2…"`,
		in: []string{"store: F12"},
	}, {
		label: "F13",
		was:   "of visits/123 and care-recipient/123 a subscription to visits/{id} gets the first only, and then what comes to visits",
		play: `
			C: APPEND "" "visits/123" "" 1 "one" "care-recipient/123" "" 1 "two"
			S: APPENDED <1> <1>
			C: "f" "" QUERY "visits/*" "" "" "match=glob" follow
			S: "f" "" EVENT <1> "one" "visits/123" <1> <1> "2…"
			S: "f" "" LIVE
			C2: APPEND "" "care-recipient/123" "" 1 "three" "visits/4" "" 1 "four" "visits/123" "" 1 "five"
			S2: APPENDED <2> <1> <2>
			S: "f" "" EVENT <4> "four" "visits/4" <1> <4> "2…"
			S: "f" "" EVENT <5> "five" "visits/123" <2> <5> "2…"`,
		in: []string{"store: F13"},
	}, {
		label: "F14",
		was:   "an event that is in the history and in the live feed comes once",
		in:    []string{"server: TestFollowersAndWriters", "store: F12 F14 E7 E8 tail"},
	}, {
		label: "F15",
		was:   "three events and then a fourth: a subscription after the third, by its id or by its number, gets the fourth only",
		play: `
			C: APPEND "" "t" "" 1 "before" "s" "" 3 "1" "2" "3"
			S: APPENDED <1> <3>
			C: PUBLISH "s" "4"
			S: PUBLISHED <4>
			C: "id" "" QUERY "s" <3> "" follow
			S: "id" "" EVENT <4> "4"
			S: "id" "" LIVE
			C: "position" "" QUERY "s" <4> "" "match=glob" follow
			S: "position" "" EVENT <5> "4" "s" <4> <5> "2…"
			S: "position" "" LIVE`,
		in: []string{"store: F15 E9 tail from any position"},
	}, {
		label: "F16",
		was:   "a subscription may have two templates",
		play: `
			C: APPEND "" "a/1" "" 1 "1" "b/1" "" 1 "2" "c/1" "" 1 "3"
			S: APPENDED <1> <1> <1>
			C: "f" "" QUERY "c/*" "" "" "match=glob" "also=a/*" follow
			S: "f" "" EVENT <1> "1" "a/1" <1> <1> "2…"
			S: "f" "" EVENT <3> "3" "c/1" <1> <3> "2…"
			S: "f" "" LIVE`,
	}, {
		label: "F17",
		was:   "of two events a consumer commits the first: its stream begins with the second",
		play: `
			C: APPEND "" "s" "" 2 "1" "2"
			S: APPENDED <2>
			C: COMMIT "mailer" "s" <1>
			S: COMMITTED <1>
			C: "f" "" QUERY "s" "" "" "consumer=mailer" follow
			S: "f" "" EVENT <2> "2"
			S: "f" "" LIVE`,
		in: []string{"server: TestConsumers", "store: F17 E11 G4 cursors"},
	}, {
		label: "F18",
		was:   "of two connections of one consumer the second gets nothing until the first is gone",
		not:   "A consumer is a cursor and no lock: whoever gives its name is sent what comes after it.",
	}, {
		label: "F19",
		was:   "12345 is committed, though there is no such event; what is no integer, or an id that is unknown, is an error; what is committed by an event's id is its number",
		play: `
			C: APPEND "" "s" "" 2 "1" "2"
			S: APPENDED <2>
			C: COMMIT "mailer" "s" <12345>
			S: ERROR UNKNOWN-ID stream=73 id=0000000000003039 ; …
			C: COMMIT "mailer" "s" "12345"
			S: ERROR MALFORMED …
			C: COMMIT "mailer" "s" <2>
			S: COMMITTED <2>
			C: CURSOR "mailer" "s"
			S: CURSOR <2>`,
		in:   []string{"store: F19 ids that were never given"},
		here: "nothing is committed that was never given",
	}, {
		label: "F20",
		was:   "an event is written that waits 50 ms for a consumer, which says nothing: it is stored, and the answer says that time is up",
		play: `
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>
			C: WAIT "mailer" "s" <1> 50
			S: ERROR TIMEOUT …
			C: QUERY "s" "" ""
			S: EVENT <1> "d"
			S: END`,
		in: []string{"server: TestWait"},
	}, {
		label: "F21",
		was:   "an event waits 200 ms for a consumer, which gets it and acknowledges it: the answer comes within 50 ms",
		play: `
			C2: "f" "" QUERY "s" "" "" "consumer=mailer" follow
			S2: "f" "" LIVE
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>
			C: "w" "" WAIT "mailer" "s" <1> 60000
			S2: "f" "" EVENT <1> "d"
			C2: COMMIT "mailer" "s" <1>
			S2: COMMITTED <1>
			S: "w" "" REACHED <1>`,
		in:   []string{"server: TestWaitRacesWithCommit"},
		here: "COMMIT is the acknowledgement, of all events before, too",
	}, {
		label: "F22",
		was:   "an event that is delivered names the consumers that its writer waits for",
		not:   "Nothing is added to an event; who waits is the writer's affair, and a consumer commits in any case.",
	}, {
		label: "F23",
		was:   "a header <a>; timeout=100, <b>; timeout=5000 is read as two consumers with a time each, and a as an error",
		play: `
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>
			C: "b" "" WAIT "b" "s" <1> 60000
			C: "a" "" WAIT "a" "s" <1> 1
			S: "a" "" ERROR TIMEOUT …
			C2: COMMIT "b" "s" <1>
			S2: COMMITTED <1>
			S: "b" "" REACHED <1>
			C: WAIT "a" "s" <1>
			S: ERROR MALFORMED …
			C: WAIT "a" "s" <1> "timeout=100"
			S: ERROR MALFORMED …
			C: WAIT "" "s" <1> 100
			S: ERROR MALFORMED …`,
		here: "each consumer has a WAIT of its own, and the time is a frame",
	}, {
		label: "F24",
		was:   "no token or a wrong one is refused, the right one passes",
		not:   "There is no authentication yet; DENIED is kept for it.",
	}, {
		label: "F25",
		was:   "a subscription that is cancelled ends",
		play: `
			C: "f" "" QUERY "s" "" "" follow
			S: "f" "" LIVE
			C: "f" "" CANCEL
			S: "f" "" END
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>`,
		in: []string{"server: TestFollowersEnd", "store: F25 cancelled"},
	}, {
		label: "F26",
		was:   "events differ if their id, type, data, stream or number does; a number that one of them has not makes no difference",
		play: `
			C: APPEND "6f1a" "s" "" 1 "d"
			S: APPENDED <1>
			C: APPEND "6f1a" "s" "" 1 "D"
			S: ERROR KEY-REUSED …
			C: APPEND "6f1a" "s" "" 2 "d" ""
			S: ERROR KEY-REUSED …
			C: APPEND "6f1a" "s" "" 1 "d" "t" "" 1 "d"
			S: ERROR KEY-REUSED …
			C: APPEND "6f1a" "s" <0> 1 "d"
			S: ERROR KEY-REUSED …
			C: APPEND "6f1b" "s" "" 1 "d"
			S: APPENDED <2>
			C: APPEND "6f1a" "t" "" 1 "d"
			S: APPENDED <1>
			C: APPEND "6f1a" "s" "" 1 "d"
			S: APPENDED <1>`,
		here: "whole requests are compared, what they expect too; the key is one of the first stream's",
	}, {
		label: "F27",
		was:   "a consumer that polls twice without a commit gets the same batch, after it the next",
		play: `
			C: APPEND "" "s" "" 4 "1" "2" "3" "4"
			S: APPENDED <4>
			C: QUERY "s" "" "" "consumer=mailer" "limit=2"
			S: EVENT <1> "1"
			S: EVENT <2> "2"
			S: END
			C: QUERY "s" "" "" "consumer=mailer" "limit=2"
			S: EVENT <1> "1"
			S: EVENT <2> "2"
			S: END
			C: COMMIT "mailer" "s" <2>
			S: COMMITTED <2>
			C: QUERY "s" "" "" "consumer=mailer" "limit=2"
			S: EVENT <3> "3"
			S: EVENT <4> "4"
			S: END`,
	}, {
		label: "F28",
		was:   "a long poll ends after a second with the 20 events that there are; one that is published meanwhile is the 21st",
		play:  longPoll(),
		here:  "the client says how long it waits, by CANCEL; LIVE tells it that there is nothing more yet",
	}, {
		label: "F29",
		was:   "who reconnects with the id of an earlier message gets only later ones",
		play: `
			C: APPEND "" "s" "" 3 "1" "2" "3"
			S: APPENDED <3>
			C: "f" "" QUERY "s" "" "" follow "limit=2"
			S: "f" "" EVENT <1> "1"
			S: "f" "" EVENT <2> "2"
			S: "f" "" END
			C2: "f" "" QUERY "s" <2> "" follow
			S2: "f" "" EVENT <3> "3"
			S2: "f" "" LIVE`,
		in: []string{"client: TestReconnect"},
	}, {
		label: "F30",
		was:   "-1 is expected: of an empty stream it holds, of one with events it is a conflict; two events in an empty stream end at position 1",
		play: `
			C: APPEND "" "s" <0> 2 "1" "2"
			S: APPENDED <2>
			C: APPEND "" "s" <0> 1 "3"
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000002 ; …`,
		here: "ids begin with 1, so that zero can be the id before",
	}, {
		label: "F31",
		was:   "20 events in pages of 10; the head of a stream that does not exist is not found",
		play:  pages(),
		here:  "a stream that does not exist is empty, and so is the answer",
	}, {
		label: "F32",
		was:   "of 5 writers at once that expect an empty stream 1 succeeds and 4 fail",
		in:    []string{"server: TestOneOfFiveWins", "store: F32 five writers expect an empty stream"},
	}, {
		label: "F33",
		was:   "a read right after the write returned has it",
		play: `
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>
			C2: QUERY "s" "" ""
			S2: EVENT <1> "d"
			S2: END
			C2: QUERY "*" "" "" "match=glob"
			S2: EVENT <1> "d" "s" <1> <1> "2…"
			S2: END
			C2: STREAMS "" ""
			S2: STREAM "s" <1>
			S2: END`,
		in: []string{"store: F33 done is seen"},
	}, {
		label: "F34",
		was:   "backwards with a limit of 5 the last 5 of 20 come, the last first",
		play:  backwards(),
	}, {
		label: "F35",
		was:   "a subscription at the end gets a marker of position 0; after a write event 1 and a marker of position 1",
		play: `
			C: "f" "" QUERY "s" "" "" follow
			S: "f" "" LIVE
			C2: PUBLISH "s" "d"
			S2: PUBLISHED <1>
			S: "f" "" EVENT <1> "d"`,
		in:   []string{"server: TestLiveAgain"},
		here: "LIVE comes once, and again only when there was nothing else for 10 s; it has no position",
	}, {
		label: "F36",
		was:   "names such as Foo/Bar/10 and Foo/Bar/2 sort, and come back exactly",
		play: `
			C: APPEND "" "Foo/Bar/2" "" 1 "1" "Foo/Bar/10" "" 1 "2" "Foo" "" 1 "3" "Foo/Bar" "" 1 "4" "Foo/Barn" "" 1 "5"
			S: APPENDED <1> <1> <1> <1> <1>
			C: STREAMS "" ""
			S: STREAM "Foo" <1>
			S: STREAM "Foo/Bar" <1>
			S: STREAM "Foo/Bar/10" <1>
			S: STREAM "Foo/Bar/2" <1>
			S: STREAM "Foo/Barn" <1>
			S: END
			C: QUERY "Foo" "" ""
			S: EVENT <1> "3"
			S: END
			C: QUERY "Foo/Bar/" "" "" "match=prefix"
			S: EVENT <1> "1" "Foo/Bar/2" <1> <1> "2…"
			S: EVENT <2> "2" "Foo/Bar/10" <1> <2> "2…"
			S: END`,
		in:   []string{"store: F36 streams in byte order"},
		here: "the order is that of bytes, so 10 is before 2",
	}, {
		label: "F37",
		was:   "a writer that was started again goes on after the last position; two that compete lose nothing and reorder nothing",
		in: []string{
			"TestStop", "TestKill", "store: P7 R7 F37 reopen",
			"TestSecondDaemonIsRefused", "server: TestBroadcasts",
		},
		here: "a store has one writer, and a second one is refused; clients compete in R4 and A5",
	}, {
		label: "F38",
		was:   "a segment that is closed refuses to be written",
		not:   "There are no segments that anyone could close or write.",
	},

	{
		label: "G1",
		was:   "to produce without a topic or without a payload is an invalid argument; when the store fails the answer says so",
		play: `
			C: PUBLISH "" "d"
			S: ERROR MALFORMED …
			C: APPEND "" "" "" 1 "d"
			S: ERROR BAD-OPTION …
			C: PUBLISH "s"
			S: ERROR MALFORMED …
			C: APPEND "" "s" "" 1
			S: ERROR MALFORMED …
			C: PUBLISH "s" ""
			S: PUBLISHED <1>`,
		run: func(p *player) {
			p.router = serveDead(p.t)
			p.say(`C: PUBLISH "s" "d"`)
			p.say(`S: ERROR READ-ONLY …`)
		},
		in:   []string{"store: TestP2DiskStaysDead"},
		here: "an event may be empty",
	}, {
		label: "G2",
		was:   "to consume without a consumer or without a topic is an invalid argument",
		play: `
			C: QUERY "" "" ""
			S: ERROR MALFORMED …
			C: QUERY "s" "" "" "consumer="
			S: ERROR BAD-OPTION …
			C: QUERY "s" "" "" consumer
			S: ERROR BAD-OPTION …
			C: COMMIT "" "s" <1>
			S: ERROR MALFORMED …
			C: CURSOR "" "s"
			S: ERROR MALFORMED …`,
		here: "a reader needs no consumer, and a cursor without a stream is one in the whole store",
	}, {
		label: "G3",
		was:   "who gives no id starts at the stored cursor, without one at the start; who gives one starts there, whatever is stored; an error of the store is passed on",
		play: `
			C: APPEND "" "s" "" 3 "1" "2" "3"
			S: APPENDED <3>
			C: QUERY "s" "" "" "consumer=mailer" "limit=1"
			S: EVENT <1> "1"
			S: END
			C: COMMIT "mailer" "s" <2>
			S: COMMITTED <2>
			C: QUERY "s" "" "" "consumer=mailer" "limit=1"
			S: EVENT <3> "3"
			S: END
			C: QUERY "s" <1> "" "limit=1"
			S: EVENT <2> "2"
			S: END
			C: QUERY "s" <1> "" "consumer=mailer"
			S: ERROR BAD-OPTION …`,
		run: func(p *player) {
			p.router = serveDead(p.t)
			p.say(`C: QUERY "s" "" "" "consumer=mailer"`)
			p.say(`S: ERROR READ-ONLY …`)
			p.say(`C: CURSOR "mailer" "s"`)
			p.say(`S: ERROR READ-ONLY …`)
		},
		here: "what was committed is done with and does not come again",
	}, {
		label: "G4",
		was:   "what is committed is stored for its consumer and topic; a commit that fails is reported",
		play: `
			C: APPEND "" "b:c" "" 2 "1" "2" "c" "" 2 "1" "2"
			S: APPENDED <2> <2>
			C: COMMIT "a" "b:c" <1>
			S: COMMITTED <1>
			C: COMMIT "a:b" "c" <2>
			S: COMMITTED <2>
			C: CURSOR "a" "b:c"
			S: CURSOR <1>
			C: CURSOR "a:b" "c"
			S: CURSOR <2>
			C: CURSOR "a" "c"
			S: CURSOR <0>
			C: CURSOR "a" ""
			S: CURSOR <0>
			C: COMMIT "a:b" "c" <1>
			S: ERROR BEHIND cursor=0000000000000002 ; …`,
		run: func(p *player) {
			p.router = serveDead(p.t)
			p.say(`C: COMMIT "mailer" "s" <1>`)
			p.say(`S: ERROR READ-ONLY …`)
		},
	}, {
		label: "G5",
		was:   "the end of a topic is told",
		play: `
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>
			C: QUERY "s" "" ""
			S: EVENT <1> "d"
			S: END
			C: QUERY "s" <1> ""
			S: END`,
	}, {
		label: "G6",
		was:   "events of other topics are never returned",
		play: `
			C: APPEND "" "a" "" 1 "1" "b" "" 1 "2" "c" "" 1 "3"
			S: APPENDED <1> <1> <1>
			C: QUERY "a" "" ""
			S: EVENT <1> "1"
			S: END
			C: QUERY "a" <1> ""
			S: END
			C: QUERY "ab" "" ""
			S: END
			C: QUERY "b" "" "" "order=desc"
			S: EVENT <1> "2"
			S: END
			C: DELETE "b" "" ""
			S: DELETED
			C: QUERY "b" "" ""
			S: END`,
	}, {
		label: "G7",
		was:   "a key or a value that cannot be read is an error and no crash",
		in:    []string{"store: TestP9DamagedTable", "store: TestP9EveryBitOfAPage"},
	}, {
		label: "G8",
		was:   "0 to 9999 are written while a consumer reads to the end and reconnects, over and over: it gets each next to the one before",
		run:   readToTheEndAgain,
		in:    []string{"store: G8 a follower sees each event once"},
		here:  "none comes twice",
	},

	{
		label: "E1",
		was:   "to append to :all, or to delete it, is an error; so is to expect 1 of a stream that does not exist, and to append no events",
		play: `
			C: APPEND "" "" "" 1 "d"
			S: ERROR BAD-OPTION …
			C: DELETE "" "" ""
			S: ERROR MALFORMED …
			C: APPEND "" "s" <1> 1 "d"
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000000 ; …
			C: APPEND "" "s" "" 0
			S: ERROR MALFORMED …
			C: PUBLISH ":all" "d"
			S: PUBLISHED <1>`,
		here: "no name is reserved; the whole store is an empty one, which no stream has",
	}, {
		label: "E2",
		was:   "a is appended to s1, which must not exist, and b to s2, whatever it is: positions 2 and 3; all forward is 2, 3 and backward 3, 2",
		play: `
			C: APPEND "" "s1" <0> 1 "a"
			S: APPENDED <1>
			C: APPEND "" "s2" "" 1 "b"
			S: APPENDED <1>
			C: QUERY "" "" "" "match=prefix"
			S: EVENT <1> "a" "s1" <1> <1> "2…"
			S: EVENT <2> "b" "s2" <1> <2> "2…"
			S: END
			C: QUERY "" "" "" "match=prefix" "order=desc"
			S: EVENT <2> "b" "s2" <1> <2> "2…"
			S: EVENT <1> "a" "s1" <1> <1> "2…"
			S: END`,
		in:   []string{"store: E2 in the order of commits"},
		here: "a new store is empty, so positions begin with 1",
	}, {
		label: "E3",
		was:   "3, where s2 ends, is expected of it: position 4; expected again it is an error",
		play: `
			C: APPEND "" "s1" <0> 1 "a" "s2" "" 1 "b"
			S: APPENDED <1> <1>
			C: APPEND "" "s2" <1> 1 "c"
			S: APPENDED <2>
			C: APPEND "" "s2" <1> 1 "c"
			S: ERROR CONFLICT group=0 stream=7332 last=0000000000000002 ; …`,
		here: "a stream's ids are its own, so nothing is expected of positions",
	}, {
		label: "E4",
		was:   "s2, which has 3 and 4, is read from 4: 4; one from 1: 3, and where to go on; backward from 4, from the last or from nowhere: 4, 3",
		play: `
			C: APPEND "" "s1" "" 1 "a" "s2" "" 2 "b" "c"
			S: APPENDED <1> <2>
			C: QUERY "s2" <1> ""
			S: EVENT <2> "c"
			S: END
			C: QUERY "s2" <0> "" "limit=1"
			S: EVENT <1> "b"
			S: END
			C: QUERY "s2" "" <2> "order=desc"
			S: EVENT <2> "c"
			S: EVENT <1> "b"
			S: END
			C: QUERY "s2" "" "" "order=desc"
			S: EVENT <2> "c"
			S: EVENT <1> "b"
			S: END
			C: QUERY "s2" <1> "" "match=glob"
			S: EVENT <2> "b" "s2" <1> <2> "2…"
			S: EVENT <3> "c" "s2" <2> <3> "2…"
			S: END`,
		in:   []string{"store: P3 P6 E4 bounds"},
		here: "after is exclusive, and the last EVENT's second frame tells where to go on",
	}, {
		label: "E5",
		was:   "a stream is deleted: with the wrong version an error, with the right one it is gone",
		play: `
			C: APPEND "" "s" "" 2 "a" "b"
			S: APPENDED <2>
			C: DELETE "s" "" <1>
			S: ERROR CONFLICT group=0 stream=73 last=0000000000000002 ; …
			C: QUERY "s" <1> ""
			S: EVENT <2> "b"
			S: END
			C: DELETE "s" "" <2>
			S: DELETED
			C: QUERY "s" "" ""
			S: END
			C: STREAMS "" ""
			S: END
			C: APPEND "" "s" <0> 1 "c"
			S: APPENDED <3>`,
		in:   []string{"store: E5 delete with an expectation"},
		here: "ids go on",
	}, {
		label: "E6",
		was:   "who subscribes to all from the start is told that it has begun, and gets event 1",
		play: `
			C: PUBLISH "s" "a"
			S: PUBLISHED <1>
			C: "f" "" QUERY "" "" "" "match=prefix" follow
			S: "f" "" EVENT <1> "a" "s" <1> <1> "2…"
			S: "f" "" LIVE`,
		here: "the beginning has no marker of its own",
	}, {
		label: "E7",
		was:   "who subscribes to what is new gets the live marker and nothing else; then one event, then three in order, and none of them again",
		play: `
			C: PUBLISH "s" "old"
			S: PUBLISHED <1>
			C: "f" "" QUERY "" <1> "" "match=prefix" follow
			S: "f" "" LIVE
			C2: PUBLISH "s" "a"
			S2: PUBLISHED <2>
			S: "f" "" EVENT <2> "a" "s" <2> <2> "2…"
			C2: APPEND "" "s" "" 2 "b" "c" "t" "" 1 "d"
			S2: APPENDED <4> <1>
			S: "f" "" EVENT <3> "b" "s" <3> <3> "2…"
			S: "f" "" EVENT <4> "c" "s" <4> <4> "2…"
			S: "f" "" EVENT <5> "d" "t" <1> <5> "2…"`,
		in:   []string{"store: F12 F14 E7 E8 tail"},
		here: "what is new is what comes after INFO's position",
	}, {
		label: "E8",
		was:   "two subscribers get each event once",
		play: `
			C: "f" "" QUERY "s" "" "" follow
			S: "f" "" LIVE
			C2: "f" "" QUERY "*" "" "" "match=glob" follow
			S2: "f" "" LIVE
			C3: PUBLISH "s" "a"
			S3: PUBLISHED <1>
			S: "f" "" EVENT <1> "a"
			S2: "f" "" EVENT <1> "a" "s" <1> <1> "2…"`,
	}, {
		label: "E9",
		was:   "who subscribes from 6 gets 7, the live marker and then 8",
		play: `
			C: APPEND "" "s" "" 7 "1" "2" "3" "4" "5" "6" "7"
			S: APPENDED <7>
			C: "f" "" QUERY "s" <6> "" follow
			S: "f" "" EVENT <7> "7"
			S: "f" "" LIVE
			C2: PUBLISH "s" "8"
			S2: PUBLISHED <8>
			S: "f" "" EVENT <8> "8"`,
	}, {
		label: "E10",
		was:   "who subscribes to one stream from position 3, where others are between, gets its own events only: 5",
		play: `
			C: APPEND "" "s" "" 1 "1" "t" "" 1 "2" "s" "" 1 "3" "t" "" 1 "4" "s" "" 1 "5"
			S: APPENDED <1> <1> <2> <2> <3>
			C: "f" "" QUERY "s" <3> "" "match=glob" follow
			S: "f" "" EVENT <5> "5" "s" <3> <5> "2…"
			S: "f" "" LIVE
			C: "g" "" QUERY "s" <2> "" follow
			S: "g" "" EVENT <3> "5"
			S: "g" "" LIVE
			C: "g" "" CANCEL
			S: "g" "" END
			C2: APPEND "" "t" "" 1 "6" "s" "" 1 "7"
			S2: APPENDED <3> <4>
			S: "f" "" EVENT <7> "7" "s" <4> <7> "2…"`,
	}, {
		label: "E11",
		was:   "a position is saved when its handler has succeeded, not if it failed; two handlers have one each",
		play: `
			C: APPEND "" "s" "" 2 "1" "2"
			S: APPENDED <2>
			C: QUERY "s" "" "" "consumer=a" "limit=1"
			S: EVENT <1> "1"
			S: END
			C: COMMIT "a" "s" <1>
			S: COMMITTED <1>
			C: QUERY "s" "" "" "consumer=a"
			S: EVENT <2> "2"
			S: END
			C: CURSOR "a" "s"
			S: CURSOR <1>
			C: QUERY "s" "" "" "consumer=b" "limit=1"
			S: EVENT <1> "1"
			S: END
			C: CURSOR "b" "s"
			S: CURSOR <0>`,
		in:   []string{"store: E11 consumers and streams do not mix"},
		here: "handlers are the client's; what is read does not count before its COMMIT",
	}, {
		label: "E12",
		was:   "a handler's state and position are saved together, and a new handler goes on from them",
		not:   "A handler's state is the client's, and so is a position that has to be saved with it: it goes on after that.",
	}, {
		label: "E13",
		was:   "JSON comes back the same, dates too; timers are silent before the start marker and stop when the handler is closed",
		not:   "Events are bytes, and handlers with their timers are the client's.",
	},

	{
		label: "A1",
		was:   "added and removed are pushed to one aggregate: sequences 1 and 2",
		play: `
			C: APPEND "" "user/id" "" 2 "added" "removed"
			S: APPENDED <2>
			C: QUERY "user/id" "" ""
			S: EVENT <1> "added"
			S: EVENT <2> "removed"
			S: END`,
	}, {
		label: "A2",
		was:   "2 is expected of an empty aggregate: an error, and nothing is stored",
		play: `
			C: APPEND "" "order/1" "" 1 "added" "user/id" <2> 1 "added"
			S: ERROR CONFLICT group=1 stream=757365722f6964 last=0000000000000000 ; …
			C: STREAMS "" ""
			S: END`,
	}, {
		label: "A3",
		was:   "two aggregates in one push, with 3 commands each: 1, 2, 3 in both",
		play: `
			C: APPEND "" "user/1" "" 3 "a" "b" "c" "user/2" "" 3 "d" "e" "f"
			S: APPENDED <3> <3>
			C: QUERY "user/*" "" "" "match=glob"
			S: EVENT <1> "a" "user/1" <1> <1> "2…"
			S: EVENT <2> "b" "user/1" <2> <2> "2…"
			S: EVENT <3> "c" "user/1" <3> <3> "2…"
			S: EVENT <4> "d" "user/2" <1> <4> "2…"
			S: EVENT <5> "e" "user/2" <2> <5> "2…"
			S: EVENT <6> "f" "user/2" <3> <6> "2…"
			S: END`,
		in: []string{"store: A1 A3 groups"},
	}, {
		label: "A3b",
		was:   "0 is expected of an empty aggregate, which it is",
		play: `
			C: APPEND "" "user/id" <0> 1 "added"
			S: APPENDED <1>`,
		in: []string{"store: A3b F30 zero, and it is empty"},
	}, {
		label: "A4",
		was:   "after user.id.added and user.id.removed, user.id.>, user.*.* and > find both, user.id.added the first",
		play: `
			C: APPEND "" "user.id.added" "" 1 "a" "user.id.removed" "" 1 "b"
			S: APPENDED <1> <1>
			C: QUERY "user.id.**" "" "" "match=glob" "separator=."
			S: EVENT <1> "a" "user.id.added" <1> <1> "2…"
			S: EVENT <2> "b" "user.id.removed" <1> <2> "2…"
			S: END
			C: QUERY "user.*.*" "" "" "match=glob" "separator=."
			S: EVENT <1> "a" "user.id.added" <1> <1> "2…"
			S: EVENT <2> "b" "user.id.removed" <1> <2> "2…"
			S: END
			C: QUERY "user.id.added" "" "" "match=glob" "separator=."
			S: EVENT <1> "a" "user.id.added" <1> <1> "2…"
			S: END
			C: QUERY "**" "" "" "match=glob" "separator=."
			S: EVENT <1> "a" "user.id.added" <1> <1> "2…"
			S: EVENT <2> "b" "user.id.removed" <1> <2> "2…"
			S: END`,
		in:   []string{"store: A4"},
		here: "the names of streams are matched, so what is to be told apart by kind has a stream for each; > is **",
	}, {
		label: "A5",
		was:   "of pushes at once to one aggregate all succeed, with sequences of their own and no gap; to several likewise",
		run:   oneStreamAtOnce,
		in:    []string{"store: A5 parallel writers of one stream"},
		here:  "for several see R4",
	}, {
		label: "A6",
		was:   "which subjects each of eight patterns matches",
		play:  matches(),
		in:    []string{"store: A6"},
	}, {
		label: "A7",
		was:   "no token, a word with * or > in it and > before the end are invalid; a.*.b, a.*.>, a.> and > are valid",
		play: `
			C: QUERY "" "" "" "match=glob" "separator=."
			S: ERROR BAD-OPTION …
			C: QUERY "a\\" "" "" "match=glob" "separator=."
			S: ERROR BAD-OPTION …
			C: APPEND "" "ab" "" 1 "1" "a.x.b" "" 1 "2" "a.b" "" 1 "3"
			S: APPENDED <1> <1> <1>
			C: QUERY "a*" "" "" "match=glob" "separator=."
			S: EVENT <1> "1" "ab" <1> <1> "2…"
			S: END
			C: QUERY "**.b" "" "" "match=glob" "separator=."
			S: EVENT <2> "2" "a.x.b" <1> <2> "2…"
			S: EVENT <3> "3" "a.b" <1> <3> "2…"
			S: END
			C: QUERY "a.*.b" "" "" "match=glob" "separator=."
			S: EVENT <2> "2" "a.x.b" <1> <2> "2…"
			S: END
			C: QUERY "a.*.**" "" "" "match=glob" "separator=."
			S: EVENT <2> "2" "a.x.b" <1> <2> "2…"
			S: END
			C: QUERY "a.**" "" "" "match=glob" "separator=."
			S: EVENT <2> "2" "a.x.b" <1> <2> "2…"
			S: EVENT <3> "3" "a.b" <1> <3> "2…"
			S: END
			C: QUERY ">" "" "" "match=glob" "separator=."
			S: END`,
		in:   []string{"store: A7"},
		here: "wildcards may stand anywhere, and > is a byte like others",
	}, {
		label: "A8",
		was:   "sequences from 100 are those beyond 100, to 100 those before, and both; the same for times; several queries find what one of them does",
		play: `
			C: APPEND "" "a" "" 4 "1" "2" "3" "4" "b" "" 1 "5" "c" "" 1 "6"
			S: APPENDED <4> <1> <1>
			C: QUERY "a" <2> ""
			S: EVENT <3> "3"
			S: EVENT <4> "4"
			S: END
			C: QUERY "a" "" <2>
			S: EVENT <1> "1"
			S: EVENT <2> "2"
			S: END
			C: QUERY "a" <1> <3>
			S: EVENT <2> "2"
			S: EVENT <3> "3"
			S: END
			C: QUERY "b" <3> "" "match=glob" "also=a"
			S: EVENT <4> "4" "a" <4> <4> "2…"
			S: EVENT <5> "5" "b" <1> <5> "2…"
			S: END`,
		run:  betweenTimes,
		in:   []string{"store: A8 since and until"},
		here: "upto and since are inclusive; bounds of a selection are positions and hold for all of it",
	},
}

func longPoll() string {
	const n = 20
	var s script
	s.publish("s", n)
	s.add(`C2: QUERY "s" "" "" follow "limit=%d"`, n+1)
	for i := range n {
		s.add(`S2: EVENT <%d> "%d"`, i+1, i+1)
	}
	s.add(`S2: LIVE`)
	s.add(`C: PUBLISH "s" "meanwhile"`)
	s.add(`S: PUBLISHED <%d>`, n+1)
	s.add(`S2: EVENT <%d> "meanwhile"`, n+1)
	s.add(`S2: END`)
	s.add(`C2: QUERY "s" <1> "" follow`)
	for i := 2; i <= n; i++ {
		s.add(`S2: EVENT <%d> "%d"`, i, i)
	}
	s.add(`S2: EVENT <%d> "meanwhile"`, n+1)
	s.add(`S2: LIVE`)
	s.add(`C2: CANCEL`)
	s.add(`S2: END`)
	return s.String()
}

func pages() string {
	var s script
	s.publish("s", 20)
	s.query(`"s" "" "" "limit=10"`, 1, 10)
	s.query(`"s" <10> "" "limit=10"`, 11, 20)
	s.query(`"s" <20> "" "limit=10"`, 0, -1)
	s.query(`"s" "" "" "order=desc" "limit=1"`, 20, 20)
	s.query(`"missing" "" "" "order=desc" "limit=1"`, 0, -1)
	return s.String()
}

func backwards() string {
	var s script
	s.publish("s", 20)
	s.add(`C: QUERY "s" "" "" "order=desc" "limit=5"`)
	for i := 20; i > 15; i-- {
		s.add(`S: EVENT <%d> "%d"`, i, i)
	}
	s.add("S: END")
	return s.String()
}

// matches queries every pattern, each of which matches some of the subjects.
func matches() string {
	subjects := []string{"user", "user.123", "user.321", "user.added.123", "user.123.added"}
	var s script
	for _, name := range subjects {
		s.add(`C: PUBLISH %q ""`, name)
		s.add(`S: PUBLISHED <1>`)
	}
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"user", []string{"user"}},
		{"user.123", []string{"user.123"}},
		{"user.*", []string{"user.123", "user.321"}},
		{"user.*.123", []string{"user.added.123"}},
		{"*.123", []string{"user.123"}},
		{"user.123.*", []string{"user.123.added"}},
		{"**", subjects},
		{"user.123.**", []string{"user.123.added"}},
	} {
		s.add(`C: QUERY %q "" "" "match=glob" "separator=."`, c.pattern)
		for _, name := range c.want {
			at := slices.Index(subjects, name) + 1
			s.add(`S: EVENT <%d> "" %q <1> <%d> "2…"`, at, name, at)
		}
		s.add("S: END")
	}
	return s.String()
}

// say plays a line that depends on earlier answers.
func (p *player) say(format string, args ...any) {
	p.t.Helper()
	l, err := parseLine(0, fmt.Sprintf(format, args...))
	p.must(err)
	if l.side == "C" {
		p.send(l)
		return
	}
	p.receive(l, p.client(l.name))
}

// answer receives a message that no line can describe.
func (p *player) answer(z *zmq.Socket) []string {
	p.t.Helper()
	frames, err := z.RecvMessage(0)
	p.must(err)
	return frames
}

// readToTheEndAgain reads while answers to the writer are pending.
func readToTheEndAgain(p *player) {
	const events, burst = 10_000, 100
	have := 0
	for sent := 0; sent < events; sent += burst {
		for i := range burst {
			p.say(`C: PUBLISH "s" "%d"`, sent+i)
		}
		have = readToTheEnd(p, have)
		for i := range burst {
			p.say(`S: PUBLISHED <%d>`, sent+i+1)
		}
	}
	if have = readToTheEnd(p, have); have != events {
		p.t.Errorf("want %d events, have %d", events, have)
	}
}

// readToTheEnd reads as a consumer that has reconnected and has had so many events. It
// returns how many it has then.
func readToTheEnd(p *player, have int) int {
	p.t.Helper()
	p.clients["1"] = p.socket(zmq.DEALER, p.router)
	p.say(`C1: QUERY "s" "" "" "consumer=reader"`)
	for before := have; ; have++ {
		r := p.answer(p.clients["1"])
		if r[0] == wire.END {
			if have > before {
				p.say(`C1: COMMIT "reader" "s" <%d>`, have)
				p.say(`S1: COMMITTED <%d>`, have)
			}
			p.must(p.clients["1"].Close())
			delete(p.clients, "1")
			return have
		}
		if want := []string{wire.EVENT, string(wire.ID(uint64(have + 1))), strconv.Itoa(have)}; !slices.Equal(want, r) {
			p.t.Fatalf("want %q, have %q", want, r)
		}
	}
}

func oneStreamAtOnce(p *player) {
	const writers, each = 4, 50
	for range each {
		for w := range writers {
			p.say(`C%d: PUBLISH "user/id" "by %d"`, w, w)
		}
	}
	by := make([]string, writers*each) // the writer of each event
	for w := range writers {
		for range each {
			r := p.answer(p.client(strconv.Itoa(w)))
			id, _ := wire.ParseID([]byte(r[len(r)-1]))
			if r[0] != wire.PUBLISHED || id == 0 || id > uint64(len(by)) || by[id-1] != "" {
				p.t.Fatalf("want an id up to %d that nobody else has, have %q", len(by), r)
			}
			by[id-1] = fmt.Sprintf("by %d", w)
		}
	}
	p.say(`C: QUERY "user/id" "" ""`)
	for i, data := range by {
		p.say(`S: EVENT <%d> %q`, i+1, data)
	}
	p.say(`S: END`)
}

func betweenTimes(p *player) {
	const n = 5
	for i := range n {
		p.say(`C: PUBLISH "s" "%d"`, i+1)
		p.say(`S: PUBLISHED <%d>`, i+1)
	}
	var times []string // they sort as text
	p.say(`C: QUERY "s" "" "" meta`)
	for range n {
		times = append(times, p.answer(p.client(""))[6])
	}
	p.say(`S: END`)
	wants := func(options string, in func(at string) bool) {
		p.t.Helper()
		p.say(`C: QUERY "s" "" "" %s`, options)
		for i, at := range times {
			if in(at) {
				p.say(`S: EVENT <%d> "%d"`, i+1, i+1)
			}
		}
		p.say(`S: END`)
	}
	from, to := times[1], times[3]
	wants(`"since=`+from+`"`, func(at string) bool { return at >= from })
	wants(`"until=`+to+`"`, func(at string) bool { return at < to })
	wants(`"since=`+from+`" "until=`+to+`"`, func(at string) bool { return at >= from && at < to })
}

// A deadStore refuses writes and cursors, like a store whose disk has failed.
type deadStore struct{ store.Store }

func (deadStore) Append(reqs []store.Append, done func([]store.Result)) {
	done(slices.Repeat([]store.Result{{Err: store.ErrUnavailable}}, len(reqs)))
}

func (deadStore) SetCursor(_ store.Cursor, done func(error)) { done(store.ErrUnavailable) }

func (deadStore) Cursor(context.Context, []byte, []byte) (uint64, error) {
	return 0, store.ErrUnavailable
}

// serveDead runs a server on a deadStore and returns its endpoint.
func serveDead(t *testing.T) (router string) {
	t.Helper()
	router, _ = serve(t, func(s store.Store) store.Store { return deadStore{s} })
	return router
}
