-- Every tenant gets these tables in its own schema or database, so no name is
-- qualified and no tenant_id is needed. goose applies this file, and sqlc reads
-- it to learn the types.

-- +goose Up
CREATE TABLE accounts (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text   NOT NULL UNIQUE,
    balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0)
);

CREATE TABLE transfers (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source bigint NOT NULL REFERENCES accounts,
    target bigint NOT NULL REFERENCES accounts,
    amount bigint NOT NULL CHECK (amount > 0)
);

-- +goose Down
DROP TABLE transfers;
DROP TABLE accounts;
