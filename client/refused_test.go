package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/wire"
)

// guard has a context answer libzmq, when it asks by ZAP, what verdicts has next, and
// when that is closed the last of it for ever.
func guard(t *testing.T, zctx *zmq.Context, verdicts <-chan string) {
	t.Helper()
	rep, err := zctx.NewSocket(zmq.REP)
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.Bind("inproc://zeromq.zap.01"); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the context
		defer rep.Close()
		last := ""
		for {
			q, err := rep.RecvMessage(0)
			if err != nil {
				return
			}
			if v, ok := <-verdicts; ok {
				last = v
			}
			if _, err := rep.SendMessage(q[0], q[1], last, "", "", ""); err != nil {
				return
			}
		}
	}()
}

// serveGuarded serves an endpoint with CURVE, at which those who come are let in or not
// by the ZAP statuses, in order. It sends to sent for each request that changes something,
// and never answers it.
func serveGuarded(t *testing.T, endpoint, secret string, sent chan<- struct{}, statuses []string) *fake {
	t.Helper()
	verdicts := make(chan string, len(statuses))
	for _, s := range statuses {
		verdicts <- s
	}
	close(verdicts)
	return serveFake(t, endpoint, func(r request) bool {
		switch r.Request.(type) {
		case wire.Query:
			r.reply(wire.Live{})
		case wire.Append, wire.Publish, wire.Commit:
			sent <- struct{}{}
		default:
			return false
		}
		return true
	}, func(router *zmq.Socket, zctx *zmq.Context) {
		guard(t, zctx, verdicts)
		if err := errors.Join(
			router.SetZapDomain("requests"), router.SetCurveServer(1), router.SetCurveSecretkey(secret),
			router.SetHandshakeIvl(short), // after 300 libzmq says nothing until then
		); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRefusedKey: a key that a server knows no more ends a client and all that it has
// under way; a server that is full is waited for.
func TestRefusedKey(t *testing.T) {
	serverPublic, serverSecret, err := zmq.NewCurveKeypair()
	if err != nil {
		t.Fatal(err)
	}
	public, secret, err := zmq.NewCurveKeypair()
	if err != nil {
		t.Fatal(err)
	}
	live, sent := make(chan struct{}, 100), make(chan struct{}, 100)
	serve := func(endpoint string, statuses ...string) *fake {
		t.Helper()
		return serveGuarded(t, endpoint, serverSecret, sent, statuses)
	}
	f := serve(anyPort, "200")
	c, err := client.Dial(patient(t), client.Options{Endpoint: f.endpoint, Curve: &client.Curve{Public: public, Secret: secret, Server: serverPublic}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	follow := make(chan error, 1)
	go func() { // ends when the key is refused
		for _, err := range c.Follow(context.Background(), "a", client.QueryOptions{OnLive: func() { live <- struct{}{} }}) {
			follow <- err
		}
	}()
	receive(t, live)

	f.stop()
	f = serve(f.endpoint, "300", "300", "200")
	receive(t, live)

	errs := make(map[string]chan error)
	for name, write := range map[string]func() error{
		"Publish": func() error { _, err := c.Publish(context.Background(), "a", nil); return err },
		"Append": func() error {
			_, err := c.Append(context.Background(), client.Append{Key: "k", Groups: []client.Group{{Stream: "a", Events: [][]byte{nil}}}})
			return err
		},
		"Commit": func() error {
			return c.Commit(context.Background(), client.Commit{Consumer: "mail", Stream: "a", ID: 3})
		},
	} {
		err := make(chan error, 1)
		errs[name] = err
		go func() { err <- write() }() // ends when the key is refused
		receive(t, sent)
	}
	f.stop()
	serve(f.endpoint, "400")
	if err := receive(t, follow); !errors.Is(err, client.ErrHandshake) || !strings.Contains(err.Error(), f.endpoint) {
		t.Errorf("Follow: want ErrHandshake and where, have %v", err)
	}
	for name, err := range errs {
		if err := receive(t, err); !client.IsCode(err, wire.OutcomeUnknown) {
			t.Errorf("%s, which was sent: want OUTCOME-UNKNOWN, have %v", name, err)
		}
	}
	if err := c.Ping(patient(t)); !errors.Is(err, client.ErrHandshake) {
		t.Errorf("Ping: want ErrHandshake, have %v", err)
	}
	if _, err := c.Publish(patient(t), "a", nil); !errors.Is(err, client.ErrHandshake) {
		t.Errorf("Publish, which was not sent: want ErrHandshake, have %v", err)
	}
}
