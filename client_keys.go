package main

import (
	"fmt"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/keyfile"
)

// keys are how a client command shows who it is.
type keys struct {
	ClientKey string `placeholder:"FILE" help:"Show this CURVE key, a file NAME.key_secret of gorewind keygen. Default: none."`
	ServerKey string `placeholder:"FILE" help:"The daemon's public CURVE key, a file NAME.key or the key itself. Default: none."`
}

// curve returns what a client needs for CURVE, nil if it is not asked for.
func (k *keys) curve() (*client.Curve, error) {
	switch {
	case k.ClientKey == "" && k.ServerKey == "":
		return nil, nil
	case k.ClientKey == "" || k.ServerKey == "":
		return nil, exit.UsageError("--client-key and --server-key go together; give both, or neither where the daemon asks for none")
	}
	pair, err := keyfile.ReadPair(k.ClientKey)
	if err != nil {
		return nil, exit.Misused(fmt.Errorf("--client-key: %w", err))
	}
	of, err := keyfile.ReadPublic(k.ServerKey)
	if err != nil {
		return nil, exit.Misused(fmt.Errorf("--server-key: %w", err))
	}
	return &client.Curve{Public: pair.Public, Secret: pair.Secret, Server: of}, nil
}
