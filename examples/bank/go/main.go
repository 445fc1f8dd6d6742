// The bank in Go: the program of docs/guide.md.
//
//	usage: bank open ACCOUNT AMOUNT
//	       bank transfer ID FROM TO AMOUNT
//	       bank project DATABASE
//	       bank balance ACCOUNT DATABASE [POSITION]
//
// GOREWIND_CONNECT is the daemon's endpoint, tcp://127.0.0.1:9002 unless set.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"time"

	"gorewind/client"
)

const usage = `usage: bank open ACCOUNT AMOUNT
       bank transfer ID FROM TO AMOUNT
       bank project DATABASE
       bank balance ACCOUNT DATABASE [POSITION]`

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// A bank is a connection to the store of all accounts.
type bank struct {
	*client.Client // reconnects by itself, and sends again what may be sent again
}

func dial(ctx context.Context) (bank, error) {
	silence, err := time.ParseDuration(cmp.Or(os.Getenv("SILENCE"), "30") + "s") // a follower hears something every 10
	if err != nil {
		return bank{}, err
	}
	endpoint := cmp.Or(os.Getenv("GOREWIND_CONNECT"), "tcp://127.0.0.1:9002")
	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint, Timeout: silence})
	return bank{c}, err
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == "project" {
		return project(ctx, args[1])
	}
	b, err := dial(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	switch {
	case len(args) == 3 && args[0] == "open":
		amount, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}
		return b.open(ctx, args[1], amount)
	case len(args) == 5 && args[0] == "transfer":
		amount, err := strconv.ParseInt(args[4], 10, 64)
		if err != nil {
			return err
		}
		position, err := b.transfer(ctx, args[1], args[2], args[3], amount)
		if err != nil {
			return err
		}
		fmt.Println(position)
		return nil
	case len(args) >= 3 && len(args) <= 4 && args[0] == "balance":
		position := uint64(0)
		if len(args) == 4 {
			if position, err = strconv.ParseUint(args[3], 10, 64); err != nil {
				return err
			}
		}
		amount, err := b.balance(ctx, args[1], args[2], position)
		if err != nil {
			return err
		}
		fmt.Println(amount)
		return nil
	}
	return errors.New(usage)
}
