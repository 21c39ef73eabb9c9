// Package config reads Poolkeeper's one file and the environment.
//
// Each package declares its own Config with its defaults and its checks; this
// package only adds them up: [Config] has a field for each, and every key of
// the file is found by looking at those structs. So a new setting is a new
// field at its owner and a new line in config.yaml, and nothing here.
//
// Three layers, the later ones win: the owners' Defaults, the file, and the
// environment. The variable of a setting is its path in capitals:
// pools.max_conns is POOLKEEPER_POOLS_MAX_CONNS. Lists are separated by
// commas there. Durations carry their unit (30s), sizes may (10MiB).
//
// Reading is strict: a key that is no setting, a key given twice, a value of
// the wrong type, a secret that is not there, and whatever an owner refuses.
// The error lists everything that was found, each with its line, its path and
// what would be right ([Problems]).
//
// Secrets are written as env:NAME, file:PATH or plainly, and become
// registry.Secret, which never prints. Clusters, plans and tenants are read
// from the YAML nodes, because viper, which keeps the layers, folds the case
// of keys and splits them at dots. registry reads plans and tenants itself.
//
// A running program follows the tenants of the file through registry's file
// source. A [Follower] holds a changed file to the same rules as a whole, and
// says which clusters are tuned otherwise (budget, margin, replicas, dials,
// queue, spares), which is followed too, and which settings wait for a restart.
package config
