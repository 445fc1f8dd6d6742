package main

import (
	"context"
	"encoding/json"
	"fmt"

	"gorewind/client"
	"gorewind/wire"
)

// An event is what the data of an event say.
type event struct {
	Type     string `json:"type"` // opened, debited or credited
	Amount   int64  `json:"amount"`
	Transfer string `json:"transfer,omitempty"`
}

// change is what it does to the balance.
func (e event) change() int64 {
	if e.Type == "debited" {
		return -e.Amount
	}
	return e.Amount
}

func (e event) data() [][]byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // it has nothing that JSON does not
	}
	return [][]byte{data}
}

func streamOf(account string) string { return "account/" + account }

// An account is what the events of one come to.
type account struct {
	last      uint64 // id of its last event; 0: there is no such account
	balance   int64
	transfers map[string]uint64 // positions of those that left it, by their ids
}

func (b bank) account(ctx context.Context, name string) (account, error) {
	a := account{transfers: make(map[string]uint64)}
	for stored, err := range b.Query(ctx, streamOf(name), client.QueryOptions{Meta: true}) {
		if err != nil {
			return account{}, err
		}
		var e event
		if err := json.Unmarshal(stored.Data, &e); err != nil {
			return account{}, err
		}
		a.last = stored.ID
		a.balance += e.change()
		if e.Type == "debited" {
			a.transfers[e.Transfer] = stored.Position
		}
	}
	return a, nil
}

// open opens an account, once.
func (b bank) open(ctx context.Context, name string, amount int64) error {
	_, err := b.Append(ctx, client.Append{Key: "open", Groups: []client.Group{
		{Stream: streamOf(name), Expected: client.Some(0), Events: event{Type: "opened", Amount: amount}.data()},
	}})
	return err
}

// transfer moves money, once for each id, and returns the position of the event that
// says so.
func (b bank) transfer(ctx context.Context, id, source, target string, amount int64) (position uint64, err error) {
	for {
		from, err := b.account(ctx, source)
		if err != nil {
			return 0, err
		}
		if position, done := from.transfers[id]; done {
			return position, nil // by this request, before a crash of ours, or by somebody else
		}
		to, err := b.account(ctx, target)
		if err != nil {
			return 0, err
		}
		if to.last == 0 || from.balance < amount {
			return 0, fmt.Errorf("%s has %d: no transfer of %d to %s", source, from.balance, amount, target)
		}
		_, err = b.Append(ctx, client.Append{Key: "transfer/" + id, Groups: []client.Group{
			{Stream: streamOf(source), Expected: client.Some(from.last), Events: event{"debited", amount, id}.data()},
			{Stream: streamOf(target), Expected: client.Some(to.last), Events: event{"credited", amount, id}.data()},
		}})
		if err != nil && !client.IsCode(err, wire.Conflict) && !client.IsCode(err, wire.KeyReused) {
			return 0, err
		}
		// It is stored, or somebody was faster: read on.
	}
}
