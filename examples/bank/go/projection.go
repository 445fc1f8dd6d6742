package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"gorewind/client"
	"gorewind/wire"
)

const (
	consumer   = "balances"
	wholeStore = ""
)

// A projection is the balances of all accounts in SQLite, beside the position that they
// are of.
type projection struct {
	bank
	db       *sql.DB
	store    string // the store's id and generation, which a restore raises
	position uint64 // of the last event that is in db
}

// project keeps a database up to date until ctx is done.
func project(ctx context.Context, path string) error {
	db, err := openDatabase(path)
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		err := projectOnce(ctx, db)
		if !client.IsCode(err, wire.OtherStore) {
			return err
		}
		log.Print(err) // a client stays with one store: the next one finds the new one
	}
}

func openDatabase(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", path+"?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`
		CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, amount INTEGER NOT NULL);
		CREATE TABLE IF NOT EXISTS progress (store TEXT NOT NULL, position INTEGER NOT NULL);`)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func projectOnce(ctx context.Context, db *sql.DB) error {
	b, err := dial(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	p := &projection{bank: b, db: db}
	if err := p.begin(ctx); err != nil {
		return err
	}
	return p.follow(ctx)
}

// begin finds out where to go on.
func (p *projection) begin(ctx context.Context) error {
	info, err := p.Info(ctx)
	if err != nil {
		return err
	}
	p.store = info.StoreID()
	var store string
	err = p.db.QueryRowContext(ctx, "SELECT store, position FROM progress").Scan(&store, &p.position)
	if errors.Is(err, sql.ErrNoRows) || err == nil && store != p.store {
		return p.startOver(ctx)
	}
	if err != nil || p.position == 0 {
		return err
	}
	return p.commit(ctx) // a crash may have come before it
}

// startOver forgets everything: its positions mean nothing in this store.
func (p *projection) startOver(ctx context.Context) error {
	if err := p.Commit(ctx, client.Commit{Consumer: consumer, Stream: wholeStore, Rewind: true}); err != nil {
		return err
	}
	p.position = 0
	return p.within(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM balance; DELETE FROM progress; INSERT INTO progress VALUES (?, 0)", p.store)
		return err
	})
}

// follow applies what is stored, and then what comes.
func (p *projection) follow(ctx context.Context) error {
	o := client.QueryOptions{Match: client.MatchGlob, After: p.position, Store: p.store}
	for e, err := range p.Follow(ctx, "account/*", o) {
		if err != nil {
			return err
		}
		if err := p.apply(ctx, e); err != nil {
			return err
		}
		if err := p.commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// apply applies an event, and notes its position: both or neither.
func (p *projection) apply(ctx context.Context, stored client.Event) error {
	var e event
	if err := json.Unmarshal(stored.Data, &e); err != nil {
		return err
	}
	account := strings.TrimPrefix(stored.Stream, "account/")
	p.position = stored.Position
	return p.within(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO balance VALUES (?, ?)
			ON CONFLICT (account) DO UPDATE SET amount = amount + excluded.amount`, account, e.change())
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE progress SET position = ?", stored.Position)
		return err
	})
}

// within does something in one transaction.
func (p *projection) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing, once it is committed
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// commit tells those who wait how far the balances are.
func (p *projection) commit(ctx context.Context) error {
	return p.Commit(ctx, client.Commit{Consumer: consumer, Stream: wholeStore, ID: p.position})
}

// balance returns a balance that has everything up to a position.
func (b bank) balance(ctx context.Context, account, database string, position uint64) (amount int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := b.Wait(ctx, consumer, wholeStore, position); err != nil {
		return 0, err
	}
	db, err := openDatabase(database)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT amount FROM balance WHERE account = ?", account).Scan(&amount)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return amount, err
}
