package server

import (
	"strconv"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/zsock"
)

// TestPlain runs tests on the plain transport.
func TestPlain(t *testing.T) {
	fast = func() bool { return false }
	defer func() { fast = zsock.Fast }()
	for name, test := range map[string]func(*testing.T){
		"envelopes":             TestEnvelopes,
		"order":                 TestOrderOfAnEnvelope,
		"many at once":          TestManyEnvelopesAtOnce,
		"malformed":             TestMalformedIsAnsweredAndTheDaemonLives,
		"envelope too long":     TestEnvelopeTooLongIsDropped,
		"largest requests":      TestLargestRequests,
		"bounds":                TestQueryBounds,
		"a long query":          TestOtherAnswersAreNotHeldUpByALongQuery,
		"broadcasts":            testBroadcastsOneByOne,
		"stop with queries":     TestStopEndsQueries,
		"given up":              TestGivenUp,
		"chunks are given back": TestChunksAreGivenBack,
		"a slow reader":         TestStalledReaderOfLargeEvents,
		"reconnecting":          TestAnswersDoNotGoOnOverAnotherConnection,
		"garbage":               TestGarbage,
	} {
		t.Run(name, test)
	}
}

// testBroadcastsOneByOne sends no burst, because PUB's mark is low on the plain
// transport.
func testBroadcastsOneByOne(t *testing.T) {
	d := serve(t)
	sub := dial(t, zmq.SUB, d.PubAddrs()[0], func(z *zmq.Socket) error { return z.SetSubscribe("") })
	z := dial(t, zmq.DEALER, d.router())
	eventually(t, "the subscriber receives nothing", func() bool {
		z.ask("PUBLISH", "s", "x")
		_, ok := sub.try()
		return ok
	})
	for i := range 20 {
		z.ask("PUBLISH", "t", strconv.Itoa(i))
		for r := sub.recv(); ; r = sub.recv() {
			if r.frames[0] == "t" {
				r.want("t", id(i+1), strconv.Itoa(i))
				break
			}
		}
	}
}
