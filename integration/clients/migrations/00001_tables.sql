-- The tables that the suites of npm clients work on. Each row carries its
-- tenant's name, which the database writes: schemas and databases are called
-- like their tenants here.

-- +goose Up
CREATE TABLE items (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name   text NOT NULL UNIQUE,
    price  numeric(10, 2) CONSTRAINT price_is_not_negative CHECK (price >= 0),
    tenant text NOT NULL DEFAULT
        CASE current_schema() WHEN 'public' THEN current_database() ELSE current_schema() END
);

CREATE TABLE people (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text NOT NULL,
    born    date,
    seen    timestamptz,
    meta    jsonb,
    tags    text[],
    scores  integer[],
    active  boolean NOT NULL DEFAULT true,
    big     bigint,
    amount  numeric(10, 2),
    ratio   double precision,
    tenant  text NOT NULL DEFAULT
        CASE current_schema() WHEN 'public' THEN current_database() ELSE current_schema() END
);

INSERT INTO items (name, price) VALUES ('anvil', 10), ('rocket', 99.50), ('magnet', NULL);

-- +goose Down
DROP TABLE people;
DROP TABLE items;
