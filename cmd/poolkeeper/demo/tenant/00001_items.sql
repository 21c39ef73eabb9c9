-- The tables of one tenant of the demo. They are made in the tenant's own
-- schema or database; public has tables of the same names with other rows, so
-- that a session which looks in the wrong place shows it at once.

-- +goose Up
CREATE TABLE items (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- Whose row it is. The demo's schemas and databases are called like their
    -- tenants.
    tenant      text NOT NULL DEFAULT
        CASE current_schema() WHEN 'public' THEN current_database() ELSE current_schema() END
);

CREATE TABLE notes (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body   text NOT NULL,
    tenant text NOT NULL DEFAULT
        CASE current_schema() WHEN 'public' THEN current_database() ELSE current_schema() END
);

INSERT INTO items (name, description) VALUES
    ('anvil', 'Falls well'),
    ('rocket', 'Returns sometimes'),
    ('magnet', 'Attracts attention');

INSERT INTO notes (body) VALUES ('Reorder anvils'), ('Call the roadrunner');

-- +goose Down
DROP TABLE notes;
DROP TABLE items;
