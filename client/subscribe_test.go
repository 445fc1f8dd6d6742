package client_test

import (
	"context"
	"errors"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/wire"
)

// broadcaster binds a PUB that tells of subscriptions.
func broadcaster(t *testing.T) (s *zmq.Socket, endpoint string) {
	t.Helper()
	s, err := zmq.NewSocket(zmq.XPUB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := errors.Join(s.SetLinger(0), s.SetRcvtimeo(testTimeout), s.Bind(anyPort)); err != nil {
		t.Fatal(err)
	}
	if endpoint, err = s.GetLastEndpoint(); err != nil {
		t.Fatal(err)
	}
	return s, endpoint
}

// TestSubscribe: it yields what is broadcast, until its context ends or the caller
// has enough.
func TestSubscribe(t *testing.T) {
	s, endpoint := broadcaster(t)
	for _, leaves := range []bool{false, true} {
		ctx, cancel := context.WithCancel(patient(t))
		defer cancel()
		subscribed := make(chan string, 1)
		go func() { // ends with the subscription, or after a time
			frames, _ := s.RecvMessage(0)
			s.SendMessage("", wire.ID(7), "reserved")
			s.SendMessage("news", "no id", "data")
			for id := range uint64(2) {
				s.SendMessage(wire.Broadcast{Stream: []byte("news"), ID: id + 1, Data: []byte("data")}.Frames())
			}
			subscribed <- frames[0]
		}()
		connections, n := 0, uint64(0)
		o := client.SubscribeOptions{Endpoint: endpoint, OnConnection: func(up bool) {
			if up {
				connections++
			}
		}}
		var ended error
		for e, err := range client.Subscribe(ctx, o, "ne") {
			if err != nil {
				ended = err
				break
			}
			if n++; e.Stream != "news" || e.ID != n || string(e.Data) != "data" || e.Position != 0 || !e.Time.IsZero() {
				t.Errorf("have %+v", e)
			}
			if n == 2 && leaves {
				break
			}
			if n == 2 {
				cancel()
			}
		}
		if want := map[bool]error{false: context.Canceled}[leaves]; !errors.Is(ended, want) || n != 2 || connections != 1 {
			t.Errorf("want %v after 2 events over one connection, have %v after %d over %d", want, ended, n, connections)
		}
		if have := receive(t, subscribed); have != "\x01ne" {
			t.Errorf("subscribed %q", have)
		}
		if frames, err := s.RecvMessage(0); err != nil || frames[0] != "\x00ne" {
			t.Errorf("want the subscription to end, have %q, %v", frames, err)
		}
	}
}

func TestSubscribeNowhere(t *testing.T) {
	ctx, cancel := context.WithCancel(patient(t))
	cancel()
	for endpoint, want := range map[string]error{"tcp://127.0.0.1:1": context.Canceled, "nonsense": nil} {
		n := 0
		for _, err := range client.Subscribe(ctx, client.SubscribeOptions{Endpoint: endpoint}, "") {
			if n++; err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("%s: want %v, have %v", endpoint, want, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: want one error, have %d", endpoint, n)
		}
	}
}
